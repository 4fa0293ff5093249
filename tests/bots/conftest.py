"""A database and an inbox of the bots, on disk."""

from __future__ import annotations

import pytest

from bots.database import Database
from bots.inbox import SCHEMA, Inbox
from bots.records import SCHEMA as RECORDS_SCHEMA
from bots.records import DiskRecords


@pytest.fixture
def database(tmp_path):
    with Database(tmp_path / "bots" / "bot.sqlite3", (SCHEMA, RECORDS_SCHEMA)) as database:
        yield database


@pytest.fixture
def inbox(database, tmp_path):
    inbox = Inbox(database, tmp_path / "bots" / "processes")
    yield inbox
    inbox.close()


@pytest.fixture
def records(database):
    return DiskRecords(database)
