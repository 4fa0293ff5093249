"""A database and an inbox of the bots, on disk; the engine in this process and over HTTP."""

from __future__ import annotations

import pytest

from bots.database import Database
from bots.inbox import SCHEMA, Inbox
from bots.records import REASONS_SCHEMA, DiskRecords
from bots.records import SCHEMA as RECORDS_SCHEMA
from mmrag.config import Settings
from tests.bots.engines import OverHttp
from tests.bots.memory_engine import MemoryEngine
from tests.service.serving import Stand, served

MIGRATIONS = (SCHEMA, RECORDS_SCHEMA, REASONS_SCHEMA)


@pytest.fixture
def database(tmp_path):
    with Database(tmp_path / "bots" / "bot.sqlite3", MIGRATIONS) as database:
        yield database


@pytest.fixture
def inbox(database, tmp_path):
    inbox = Inbox(database, tmp_path / "bots" / "processes")
    yield inbox
    inbox.close()


@pytest.fixture
def records(database):
    return DiskRecords(database)


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """One service for all tests of a module, over whichever engine a test has."""
    stand = Stand()
    stand.engine = MemoryEngine()
    with served(stand, Settings(home=tmp_path_factory.mktemp("service"))) as stand.url:
        yield stand


@pytest.fixture(params=["in process", "over HTTP"])
def memory_engine(request):
    """An engine in memory, as bots have it with and without --engine."""
    memory = MemoryEngine()
    if request.param == "in process":
        yield memory
        return
    stand = request.getfixturevalue("stand")
    stand.engine = memory
    over_http = OverHttp(stand.url, memory)
    yield over_http
    over_http.close()
