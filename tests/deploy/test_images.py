"""The Dockerfiles: what they copy and run is there, nothing runs as root, each has a health check."""

from __future__ import annotations

import importlib.util
import re
import shlex
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from packaging.utils import canonicalize_name

from tests.deploy.conftest import DEPLOY, OTHERS, ROOT, USER, check_command, check_setting
from tests.house.test_dependencies import closure
from tests.machine import free_port

FILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
HEAVY = {"torch", "transformers", "numpy", "faiss-cpu", "onnxruntime", "openvino", "opencv-python-headless"}

ABSENT = ["torch", "transformers", "numpy", "faiss", "onnxruntime", "cv2", "filelock", "diskcache", "tantivy"]


def instructions(file):
    """(instruction, rest) of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def last(file, name):
    return [rest for instruction, rest in instructions(file) if instruction == name][-1]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request):
    return request.param


def test_what_is_copied_is_there_and_sent_along(file):
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:].removesuffix("/**") for line in ignore if line.startswith("!")}
    sources = [
        source
        for instruction, rest in instructions(file)
        if instruction == "COPY" and "--from" not in rest
        for source in [word for word in rest.split() if not word.startswith("--")][:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in sent or source.split("/")[0] in sent, source


def test_bases_are_pinned_and_the_program_is_not_root(file):
    assert re.search(r"^ARG PYTHON=\d+\.\d+\.\d+-slim-\w+$", file.read_text(), re.MULTILINE)
    assert {rest.split()[0] for name, rest in instructions(file) if name == "FROM"} <= {
        "python:${PYTHON}",
        "build",
        "run",
    }
    assert last(file, "USER") == f"{USER}:{USER}"
    assert "HEALTHCHECK" in dict(instructions(file))


def test_the_extras_that_are_installed_exist_and_are_pinned(file, requirements):
    installed = re.findall(r'pip install -c constraints.txt "\.\[([\w,]+)\]"', file.read_text())
    assert installed
    assert {extra for extras in installed for extra in extras.split(",")} <= requirements.keys()


def test_what_only_the_gpu_image_takes_is_pinned_as_the_constraints_say():
    (pin,) = re.findall(r'"(faiss-gpu==[\d.]+)"', (DEPLOY / "docker" / "engine.Dockerfile").read_text())
    assert f"{pin} " in (ROOT / "constraints.txt").read_text()


def test_a_bot_has_no_model_and_no_torch(requirements):
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', (DEPLOY / "docker" / "bots.Dockerfile").read_text())
    texts = [text for extra in ["", *extras.split(",")] for text in requirements[extra]]
    brought = {canonicalize_name(name) for name in closure(texts)}
    assert "slack-bolt" in brought
    assert brought & HEAVY == set()


def test_a_bots_data_is_backed_up_and_restored_without_the_engines_dependencies(tmp_path):
    (tmp_path / "home" / "bots").mkdir(parents=True)
    (tmp_path / "home" / "bots" / "token.key").write_text("secret")
    program = (
        "import sys\n"
        f"for name in {ABSENT}:\n"
        "    sys.modules[name] = None\n"
        "from mmrag.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for home, command in (("home", "backup"), ("elsewhere", "restore")):
        process = subprocess.run(
            [sys.executable, "-c", program, command, tmp_path / "bot.tar"],
            env={"MMRAG_HOME": str(tmp_path / home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
    assert (tmp_path / "elsewhere" / "bots" / "token.key").read_text() == "secret"


def test_the_commands_are_the_projects_own(file):
    entry, command = (
        shlex.split(last(file, name).strip("[]").replace(",", " ")) for name in ("ENTRYPOINT", "CMD")
    )
    check_command([*entry, *command])


def test_the_settings_exist(file):
    for name, rest in instructions(file):
        if name == "ENV":
            for pair in rest.split():
                variable, _, value = pair.partition("=")
                if not variable.startswith("PIP_") and variable not in OTHERS:
                    check_setting(variable, value)


def test_the_linter_finds_nothing(file, tool):
    tool("hadolint", file)


# ---------------------------------------------------------------- the health check


@pytest.fixture(scope="module")
def health():
    specification = importlib.util.spec_from_file_location("health", DEPLOY / "docker" / "health.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def service():
    """An HTTP service whose status can be set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(server.status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.status = 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_engine_is_healthy_while_it_is_ready(health, service, monkeypatch, capsys):
    monkeypatch.setenv("MMRAG_SERVE_PORT", str(service.server_port))
    assert health.main(["engine"]) == 0
    service.status = 503
    assert health.main(["engine"]) == 1
    assert "503" in capsys.readouterr().err


def test_an_engine_that_does_not_answer_is_not_healthy(health, monkeypatch, capsys):
    port = free_port()
    monkeypatch.setenv("MMRAG_SERVE_PORT", str(port))
    assert health.main(["engine"]) == 1
    assert str(port) in capsys.readouterr().err
    assert health.main([]) == 1


def test_a_bot_is_healthy_while_it_is_connected_to_its_platform(health, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as platform:
        port = platform.getsockname()[1]
        monkeypatch.setenv("HEALTH_PORT", str(port))
        assert health.main(["bot"]) == 1  # it listens, but nobody is connected
        with closing(socket.create_connection(("127.0.0.1", port))):
            assert health.main(["bot"]) == 0
        accepted, _ = platform.accept()
        accepted.close()
        assert health.main(["bot"]) == 1


def test_a_bot_that_is_called_over_http_is_asked(health, service, monkeypatch):
    monkeypatch.setenv("MMRAG_SLACK_TRANSPORT", "http")
    monkeypatch.setenv("MMRAG_SLACK_PORT", str(service.server_port))
    assert health.main(["bot"]) == 1  # this one knows no /healthz
