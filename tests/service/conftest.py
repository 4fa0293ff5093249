"""A service on the real engine; only the embedding model is replaced, by vectors of hashed words."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import httpx2
import pytest

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.types import Source
from tests.bots.memory_engine import MemoryEngine
from tests.service.serving import served
from tests.trust.parts import EMBEDDER

LEAVE = "How many days of paid leave does every employee have?"
HANDBOOK = b"# Handbook\n\nEvery employee has 28 days of paid leave a year.\n\nThe printer is on floor 3.\n"
PLAN = b"# Plan\n\nThe secret launch is on Thursday.\n"


def client_at(url, **options):
    return httpx2.Client(base_url=url, trust_env=False, timeout=60, **options)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def start(home):
    """Start services on one data folder: (engine, **settings) -> client."""
    with ExitStack() as stack:

        def start(engine, **settings):
            url = stack.enter_context(served(engine, Settings(home=home, **settings)))
            return stack.enter_context(client_at(url))

        yield start


@contextmanager
def filled_engine(home, reader):
    """The real one, with a handbook in `default` and a plan in `board`."""
    with build_engine(Settings(home=home), embedder=EMBEDDER, reader=reader) as engine:
        engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
        engine.add(Source("plan.md", PLAN, uri="u:plan"), collection="board")
        yield engine


@pytest.fixture
def engine(home, reader):
    with filled_engine(home, reader) as engine:
        yield engine


@pytest.fixture
def service(start, engine):
    """A client of a service without keys."""
    return start(engine)


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory, reader):
    """For tests that change nothing: one for all of a module."""
    with filled_engine(tmp_path_factory.mktemp("shared"), reader) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_service(shared_engine, tmp_path_factory):
    with (
        served(shared_engine, Settings(home=tmp_path_factory.mktemp("keys"))) as url,
        client_at(url) as client,
    ):
        yield client


@pytest.fixture
def memory():
    engine = MemoryEngine()
    source = Source("handbook.md", b"Holidays are 28 days.", uri="u:handbook")
    engine.add(source, collection="default")
    return engine


@pytest.fixture
def make_key(home):
    """(name, *collections, role) -> the headers of a client with such a key."""

    def make_key(name, *collections, role="write"):
        with build_keys(Settings(home=home)) as keys:
            _, text = keys.add(name, collections=collections, role=role)
        return {"Authorization": f"Bearer {text}"}

    return make_key
