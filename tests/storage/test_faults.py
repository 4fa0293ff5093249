"""Where the data folder cannot be used, one sentence names it and says what to do; nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from mmrag.errors import StoreUnavailable
from mmrag.storage.database import Database
from mmrag.storage.schema import MIGRATIONS, NewerSchemaError, migrate
from tests.machine import why_no_mount
from tests.storage.samples import held, make_version, open_store


def complaint(home):
    with pytest.raises(StoreUnavailable) as caught:
        open_store(home)
    sentence = str(caught.value)
    assert str(home) in sentence
    assert "\n" not in sentence
    return sentence


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    home = tmp_path / "home"
    home.write_text("a file")
    assert "choose another with MMRAG_HOME" in complaint(home)
    assert "choose another with MMRAG_HOME" in complaint(home / "deeper")
    assert home.read_text() == "a file"


def test_a_folder_that_cannot_be_made_is_named():
    assert "write permission" in complaint(Path("/proc/mmrag"))


def test_a_file_that_is_no_database_is_left_alone(home):
    home.mkdir()
    (home / "store.sqlite3").write_bytes(b"my diary\n" * 1000)
    assert "not a store of mmrag" in complaint(home)
    assert (home / "store.sqlite3").read_bytes() == b"my diary\n" * 1000


def test_a_damaged_store_says_so(home):
    with open_store(home) as store:
        for seed in range(20):
            make_version(seed, uri=f"{seed}.md").put_into(store)
    file = home / "store.sqlite3"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + bytes(len(content) - 4096))
    with pytest.raises(StoreUnavailable, match="restore it from a backup"), open_store(home) as store:
        held(store)


def test_a_store_of_a_newer_version_asks_for_an_upgrade(home):
    with open_store(home) as store:
        make_version(1).put_into(store)
    db = apsw.Connection(str(home / "store.sqlite3"))
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert "upgrade mmrag" in complaint(home)


def test_a_store_that_another_process_keeps_busy_says_so(home):
    path = home / "store.sqlite3"
    first, second = Database(path), Database(path, busy_seconds=0.05)
    with first.writing(), pytest.raises(StoreUnavailable, match="Another process"), second.writing():
        pass
    with second.writing() as db:
        assert db.execute("PRAGMA user_version").get == len(MIGRATIONS)
    first.close()
    second.close()


def test_readers_do_not_wait_for_a_writer(home):
    path = home / "store.sqlite3"
    first, second = Database(path), Database(path, busy_seconds=0)
    with first.writing() as db:
        db.execute("INSERT INTO collections (name, revision) VALUES ('new', 1)")
        with second.reading() as other:
            assert other.execute("SELECT count(*) FROM collections").get == 0
    with second.reading() as other:
        assert other.execute("SELECT count(*) FROM collections").get == 1
    first.close()
    second.close()


def test_every_connection_is_durable_and_deletes_securely(home):
    database = Database(home / "store.sqlite3")
    with database.reading() as one, database.reading() as another:
        assert one is not another
        for db in (one, another):
            asked = [db.execute(f"PRAGMA {name}").get for name in ("synchronous", "secure_delete")]
            assert asked == [2, 1]
            assert db.execute("PRAGMA foreign_keys").get == 1
            assert db.execute("PRAGMA journal_mode").get == "wal"
    database.close()


def test_the_sqlite_in_use_is_free_of_the_wal_reset_bug():
    assert tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) >= (3, 51, 3)


def test_a_migration_brings_an_older_file_up_to_date():
    db = apsw.Connection(":memory:")
    first = "CREATE TABLE a (x INTEGER)"
    migrate(db, (first,))
    db.execute("INSERT INTO a VALUES (1)")
    migrate(db, (first, "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 2"))
    assert db.execute("SELECT x, y FROM a").get == (1, 2)
    assert db.execute("PRAGMA user_version").get == 2
    with pytest.raises(NewerSchemaError):
        migrate(db, (first,))
    db.close()


def test_a_full_or_read_only_disk_loses_nothing_and_says_so(tmp_path):
    if (why := why_no_mount(tmp_path)) is not None:
        pytest.skip(why)
    command = ["unshare", "-Urm", sys.executable, "-m", "tests.storage.full_disk", str(tmp_path)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(ran.stdout)
    assert report.pop("stored") > 3
    assert f"The disk that holds {tmp_path / 'home'} is full" in report.pop("full")
    assert f"The data folder {tmp_path / 'home'} cannot be written to" in report.pop("read-only")
    assert "give yourself permission" in report.pop("read-only and empty")
    assert "give yourself write permission" in report.pop("read-only and not there")
    assert report == {"kept while full": True, "goes on": True, "kept after a restart": True}
