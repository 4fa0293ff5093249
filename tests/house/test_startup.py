"""Starting is instant: nobody waits for a model to read a help text."""

from __future__ import annotations

import re
import sysconfig
import time
from pathlib import Path

import pytest

HEAVY = {
    "cv2",
    "faiss",
    "onnxruntime",
    "openvino",
    "pypdfium2",
    "rapidocr",
    "sentence_transformers",
    "tantivy",
    "torch",
    "transformers",
}
HELP = {
    "mmrag --help": [str(Path(sysconfig.get_path("scripts"), "mmrag")), "--help"],
    "python -m bots --help": ["-m", "bots", "--help"],
}

# Made of torch itself, and imported by nothing before a model is needed. It needs nothing else.
DECODING = "mmrag.generation.decoding."

# Prints "library module" where importing the module was the first to import the library.
IMPORT_EVERYTHING = f"""
import importlib, pkgutil, sys
heavy = set(sys.argv[1:])

def look(modules):
    for module in modules:
        importlib.import_module(module)
        for library in heavy.intersection(sys.modules):
            print(library, module)
            heavy.remove(library)

names = []
for name in ("mmrag", "bots"):
    package = importlib.import_module(name)
    names += [module.name for module in pkgutil.walk_packages(package.__path__, f"{{name}}.")]
look(name for name in names if not name.startswith("{DECODING}"))
heavy.discard("torch")
look(names)
"""


@pytest.mark.parametrize("command", HELP)
def test_help_appears_within_half_a_second(command, run_python):
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        run_python(*HELP[command])
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("command", HELP)
def test_help_imports_no_heavy_library(command, run_python):
    trace = run_python("-X", "importtime", *HELP[command]).stderr
    imported = set(re.findall(r"\| +(\w+)$", trace, re.MULTILINE))
    assert "argparse" in imported, "the trace was not understood"
    assert imported & HEAVY == set()


def test_no_module_imports_a_heavy_library_before_it_needs_it(run_python):
    assert run_python("-c", IMPORT_EVERYTHING, *HEAVY).stdout.splitlines() == []
