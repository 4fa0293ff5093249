"""Backup and restore as people use them: the command line, what it refuses, who may read what it makes."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mmrag import backup, home
from mmrag.errors import InvalidInput, NotReadable, StoreUnavailable
from mmrag.storage.catalog import SqliteStore
from tests.machine import why_no_mount
from tests.storage.samples import EMBEDDER, make_version


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "backup.tar"


@pytest.fixture
def fill(folder):
    def fill(*seeds, at=folder):
        with SqliteStore(at / home.STORE) as store:
            for seed in seeds:
                make_version(seed, uri=f"{seed}.md").put_into(store, embedder=EMBEDDER)

    return fill


def titles(folder):
    with SqliteStore(folder / home.STORE) as store:
        return {document.title for document in store.documents(None)}


def test_what_was_backed_up_is_there_after_a_restore_into_another_folder(
    fill, run, folder, file, monkeypatch
):
    fill(1, 2, 3)
    (folder / "tokens.key").write_text("{}")
    code, out, _ = run("backup", file, "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)["entries"]] == ["tokens.key", "store.sqlite3"]
    elsewhere = folder.with_name("elsewhere")
    monkeypatch.setenv("MMRAG_HOME", str(elsewhere))
    code, out, _ = run("restore", file)
    assert code == 0
    assert "restored as of" in out
    assert titles(elsewhere) == titles(folder)
    assert (elsewhere / "tokens.key").read_text() == "{}"


def test_only_the_owner_may_read_a_backup_and_what_is_restored(fill, folder, file):
    fill(1)
    (folder / "bots").mkdir()
    (folder / "bots" / "token.key").write_text("secret")
    backup.back_up(folder, file)
    backup.restore(folder.with_name("elsewhere"), file)
    made = [file, *folder.with_name("elsewhere").rglob("*")]
    assert len(made) == 4
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_what_is_disposable_stays_out(fill, folder, file):
    fill(1)
    for name in (*home.DISPOSABLE, "bots/processes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "some.lock").touch()
        if name in home.DISPOSABLE:
            (folder / name / "some").touch()
    manifest = backup.back_up(folder, file).manifest
    assert [entry.name for entry in manifest.entries] == ["store.sqlite3"]
    told = (Path(__file__).parents[2] / "docs" / "backup.md").read_text(encoding="utf-8")
    assert {name for name in home.DISPOSABLE if f"`{name}/`" not in told} == set()


def test_what_was_deleted_does_not_come_along(folder, file):
    with SqliteStore(folder / home.STORE) as store:
        mark = "unmistakable-mark"
        for number in range(40):
            store.put(
                (version := make_version(number, uri=f"{mark}-{number}.md")).document,
                content_hash="",
                pages=version.pages,
                chunks=version.chunks,
                vectors=version.vectors,
                embedder=EMBEDDER,
            )
        store.remove([document.id for document in store.documents(None)], None)
        make_version(99).put_into(store, embedder=EMBEDDER)
        backup.back_up(folder, file)
    assert mark.encode() not in file.read_bytes()


def test_a_backup_overwrites_nothing_and_does_not_lie_in_what_it_protects(fill, run, folder, file):
    fill(1)
    file.write_text("precious")
    code, _, err = run("backup", file)
    assert (code, file.read_text()) == (2, "precious")
    assert "name a new file" in err
    assert run("backup", folder / "backup.tar")[0] == 2
    assert run("backup", folder.parent / "not there" / "backup.tar")[0] == 2


def test_there_is_nothing_to_back_up_in_an_empty_folder(run, file):
    code, _, err = run("backup", file)
    assert code == 1
    assert "MMRAG_HOME" in err
    assert not file.exists()


def test_a_restore_overwrites_nothing_unless_told_and_keeps_what_it_replaces(fill, run, folder, file):
    fill(1)
    old = titles(folder)
    backup.back_up(folder, file)
    fill(2)
    both = titles(folder)
    code, _, err = run("restore", file)
    assert code == 2
    assert "--replace" in err
    assert titles(folder) == both
    code, out, _ = run("restore", file, "--replace", "--json")
    assert code == 0
    assert titles(folder) == old
    (aside,) = folder.glob("replaced-*")
    assert json.loads(out)["replaced"] == str(aside)
    assert titles(aside) == both


def test_indexes_and_cached_answers_do_not_survive_a_restore(fill, folder, file):
    fill(1)
    backup.back_up(folder, file)
    for name in ("indexes", "cache", "flights", "models"):
        (folder / name).mkdir()
        (folder / name / "some").touch()
    backup.restore(folder, file, replace=True)
    assert {path.name for path in folder.iterdir() if path.name in home.DISPOSABLE} == {"models"}


def test_data_that_is_in_use_is_not_replaced(fill, folder, file):
    fill(1)
    backup.back_up(folder, file)
    with SqliteStore(folder / home.STORE) as store:
        with pytest.raises(StoreUnavailable, match="stop the engine"):
            backup.restore(folder, file, replace=True)
        assert len(store.documents(None)) == 1
    assert not (folder / home.RESTORE_PLAN).exists()
    assert backup.restore(folder, file, replace=True).aside


def test_nothing_opens_data_that_is_half_restored(fill, run, folder, file, monkeypatch):
    fill(1)
    backup.back_up(folder, file)
    fill(2)
    monkeypatch.setattr("mmrag.backup.restoring._put_aside", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backup.restore(folder, file, replace=True)
    monkeypatch.undo()
    monkeypatch.setenv("MMRAG_HOME", str(folder))
    before = sorted(folder.rglob("*"))
    for command in (["documents"], ["backup", file.with_name("other.tar")]):
        code, _, err = run(*command)
        assert code == 1
        assert "mmrag restore" in err
    assert sorted(folder.rglob("*")) == before
    code, out, _ = run("restore")
    assert code == 0
    assert "finished" in out
    assert len(titles(folder)) == 1
    assert run("restore")[0] == 1


def test_a_backup_can_be_checked_without_restoring_it(fill, run, folder, file):
    fill(1)
    backup.back_up(folder, file)
    code, out, _ = run("restore", file, "--check")
    assert code == 0
    assert "sound" in out
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"off")
    code, _, err = run("restore", file, "--check")
    assert code == 1
    assert "checksum" in err


def overwrite_pages(store):
    data = bytearray(store.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8192] = b"\xff" * 8192
    store.write_bytes(data)


def lose_rows(store):
    """As SQLite itself does not notice when it copies them."""
    with closing(apsw.Connection(str(store))) as db:
        db.execute("DELETE FROM documents")


@pytest.mark.parametrize("damage", [overwrite_pages, lose_rows])
def test_a_damaged_store_makes_no_backup_and_says_so(damage, fill, run, folder, file):
    fill(*range(20))
    damage(folder / home.STORE)
    code, _, err = run("backup", file)
    assert code == 1
    assert "is damaged" in err
    assert [*file.parent.iterdir()] == [folder]


def test_a_backup_of_a_newer_form_says_that_it_is_newer(folder, file):
    backup.archive.write(file, backup.Manifest(2, "99", "then", ()), lambda _entry: file)
    with pytest.raises(NotReadable, match="upgrade"):
        backup.restore(folder, file)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "a//b", "./a", ""])
def test_a_backup_that_names_a_place_outside_is_refused(name, folder, file):
    entry = backup.Entry(name, 0, "")
    manifest = backup.Manifest(1, "0", "now", (entry,))
    (file.parent / "empty").touch()
    backup.archive.write(file, manifest, lambda _entry: file.parent / "empty")
    with pytest.raises(NotReadable, match="outside"):
        backup.restore(folder, file)
    assert [*folder.iterdir()] == []


def test_a_link_in_a_backup_is_refused(fill, folder, file):
    fill(1)
    backup.back_up(folder, file)
    with tarfile.open(file) as sound, tarfile.open(file.with_name("linked.tar"), "w") as linked:
        manifest, store = sound.getmembers()
        linked.addfile(manifest, sound.extractfile(manifest))
        store.type, store.linkname = tarfile.SYMTYPE, "somewhere"
        linked.addfile(store)
    with pytest.raises(NotReadable):
        backup.restore(folder.with_name("elsewhere"), file.with_name("linked.tar"))


def test_two_that_restore_at_once_leave_one_restored_folder(fill, folder, file):
    fill(*range(5))
    backup.back_up(folder, file)
    elsewhere, outcomes = folder.with_name("elsewhere"), []

    def restore():
        try:
            outcomes.append(backup.restore(elsewhere, file))
        except (InvalidInput, StoreUnavailable) as error:
            outcomes.append(error)

    threads = [threading.Thread(target=restore) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, backup.Restored) for outcome in outcomes) == 1
    assert titles(elsewhere) == titles(folder)


def test_a_full_disk_makes_no_backup_and_changes_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if (why := why_no_mount(disk)) is not None:
        pytest.skip(why)
    command = ["unshare", "-Urm", sys.executable, "-m", "tests.backup.full_disk", str(disk)]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "full" in report["backup"]
    assert "full" in report["restore"]
    assert "full" in report["restore into a new folder"]
    assert report["as before"]
    assert report["room for a small one"]
