"""Playing a conversation with the real engine and the example documents, and writing down what was seen."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.types import Source

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CHART = EXAMPLES / "attachments/tickets-per-month.png"
LEIDEN = "What is the telephone extension of the front desk in Leiden?"


@contextmanager
def example_engine(home, collection):
    """An engine with the example documents."""
    with build_engine(Settings(home=home, generator="extractive")) as engine:
        for path in sorted((EXAMPLES / "knowledge").iterdir()):
            source = Source(path.name, path.read_bytes(), f"https://wiki.example/{path.name}")
            engine.add(source, collection=collection)
        yield engine


def main(description, stem, told, *, page, picture):
    """Write the record that `await told(folder)` gives beside its page and its picture."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=ROOT / stem, metavar="STEM")
    output = parser.parse_args().output
    logging.basicConfig(level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="mmrag-record-") as folder:
        conversation = asyncio.run(told(Path(folder)))
    text = json.dumps(conversation, ensure_ascii=False, indent=1) + "\n"
    output.with_suffix(".json").write_text(text, encoding="utf-8")
    output.with_suffix(".html").write_text(page(conversation), encoding="utf-8")
    output.with_suffix(".png").write_bytes(picture(conversation))
    sys.stdout.write(f"{len(conversation['messages'])} messages in {output.name}.json, .html and .png\n")
