"""A knowledge base, and the SDK's own client on the other side of a real pipe or socket."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.types import Source
from tests.retrieval.memory_feed import HashEmbedder

pytest.importorskip("mcp", reason="needs the extra mcp")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TEXTS = (
    ("gateway.txt", "The gateway is renewed every 14 days.", "team"),
    ("leave.txt", "Leave is 28 days a year.", "team"),
    ("board.txt", "The board meets in the secret lighthouse.", "board"),
)


@pytest.fixture(scope="session")
def home(tmp_path_factory, reader):
    """A data folder with texts and a chart."""
    folder = tmp_path_factory.mktemp("mcp") / "home"
    with build_engine(Settings(home=folder), embedder=HashEmbedder(), reader=reader) as engine:
        for name, text, collection in TEXTS:
            engine.add(Source(name, text.encode(), f"test:{name}"), collection=collection)
        chart = (EXAMPLES / "attachments" / "tickets-per-month.png").read_bytes()
        engine.add(Source("tickets.png", chart, "test:tickets.png"), collection="charts")
    return folder


@pytest.fixture(scope="session")
def command():
    """The real command line with an embedder that needs no model."""
    return [sys.executable, "-m", "tests.mcp.knowledge", "mcp"]


@pytest.fixture
def local(home, command):
    """Connect to `mmrag mcp` over standard input and output."""
    from mcp import Client, StdioServerParameters  # noqa: PLC0415 - needs the extra

    @asynccontextmanager
    async def connect(*collections):
        options = [f"--collection={name}" for name in collections]
        server = StdioServerParameters(
            command=command[0],
            args=[*command[1:], *options],
            env={"MMRAG_HOME": str(home), "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        async with Client(server) as client:
            yield client

    return connect


@contextmanager
def serving(command, home):
    """`mmrag mcp --http` on a free port; where it answers."""
    process = subprocess.Popen(
        [*command, "--http", "--port", "0", "--json"],
        env={"MMRAG_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="session")
def served(home, command):
    """Where the service answers, and a key's text for each name: what it may name is in its name."""
    with build_keys(Settings(home=home)) as keys:
        made = {
            name: keys.add(name, collections=collections, role="read")[1]
            for name, collections in (("team", ["team"]), ("all", ["*"]), ("some", ["te*", "charts"]))
        }
    with serving(command, home) as url:
        yield url, made


@pytest.fixture
def remote(served):
    """Connect over HTTP with a key."""
    import httpx2  # noqa: PLC0415 - comes with the extra
    from mcp import Client  # noqa: PLC0415 - as above
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - as above

    url, keys = served

    @asynccontextmanager
    async def connect(name, *, key=None):
        headers = {"Authorization": f"Bearer {key or keys[name]}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            yield client

    return connect
