"""The answer cache: what was kept comes back, and whatever else its files hold is a miss."""

from __future__ import annotations

import os
import pickle
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from mmrag.storage.cache import DiskAnswerCache
from mmrag.types import Citation, Unread
from tests.storage.samples import make_answer

LIMIT = 10**8
ANSWER = replace(
    make_answer(Citation(1, "d1", "Handbook", 3, "handbook.md", "It is so.", 7)),
    unread=(Unread("x.png", "damaged"),),
)

MUTATIONS = 40  # `make trust` tries many more


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(folder):
    with open_cache(folder) as opened:
        yield opened


def open_cache(folder, *, size_limit=LIMIT):
    return DiskAnswerCache(folder, size_limit=size_limit)


def tamper(folder, statement, *bindings):
    """Change the cache's file as an intruder would."""
    with closing(sqlite3.connect(folder / "cache.db")) as db, db:
        return db.execute(statement, bindings).fetchall()


def test_what_was_set_comes_back_also_after_a_restart(folder):
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
        assert cache.get("k") == ANSWER
    with open_cache(folder) as cache:
        assert cache.get("k") == ANSWER
        assert cache.get("other") is None


def test_the_last_value_wins(cache):
    cache.set("k", ANSWER)
    cache.set("k", make_answer())
    assert cache.get("k") == make_answer()


def test_deleted_keys_are_misses_and_unknown_ones_no_fault(cache):
    for key in "abc":
        cache.set(key, ANSWER)
    cache.delete(["a", "unknown", "b"])
    cache.delete([])
    assert [cache.get(key) for key in "abc"] == [None, None, ANSWER]


def test_no_byte_of_a_deleted_answer_is_left(cache, folder):
    marks = {f"k{number}": f"canary{number:06d}" for number in range(200)}
    rng = random.Random(0)
    for key, mark in marks.items():
        cache.set(key, replace(ANSWER, text=mark * rng.randint(1, 400)))
    deleted = rng.sample(sorted(marks), 120)
    for start in range(0, len(deleted), 20):  # rows move between pages as others go
        cache.delete(deleted[start : start + 20])
    content = b"".join(file.read_bytes() for file in folder.rglob("*"))
    assert not [key for key in deleted if marks[key].encode() in content]
    kept = marks.keys() - set(deleted)
    assert all(marks[key].encode() in content for key in kept)
    assert all(cache.get(key) is not None for key in kept)


def test_the_least_recently_used_goes_first_and_the_limit_holds(folder):
    with open_cache(folder, size_limit=400_000) as cache:
        for number in range(100):
            cache.set(str(number), replace(ANSWER, text="x" * 10_000))
            assert cache.get("0") is not None
        assert cache.get("1") is None
        assert cache.get("99") is not None
    assert (folder / "cache.db").stat().st_size < 500_000


def test_a_limit_of_zero_keeps_nothing_and_empties_the_folder(folder):
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
    with open_cache(folder, size_limit=0) as cache:
        assert not folder.exists()
        cache.set("k", ANSWER)
        assert cache.get("k") is None
        cache.delete(["k"])
    assert not folder.exists()


def test_the_folder_is_for_its_owner_only(folder, cache):
    cache.set("k", ANSWER)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------- attacks


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("mode", [0, 1, 2, 3, 4, 99, None, "4"])
def test_a_planted_pickle_is_a_miss_and_never_runs(cache, folder, tmp_path, mode):
    cache.set("k", ANSWER)
    pickled = pickle.dumps(Payload(tmp_path / "executed"))
    tamper(folder, "UPDATE Cache SET mode = ?, value = ? WHERE key = 'k'", mode, pickled)
    assert cache.get("k") is None
    assert not (tmp_path / "executed").exists()
    assert tamper(folder, "SELECT * FROM Cache") == []


def test_a_planted_file_name_is_neither_read_nor_deleted(cache, folder, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for mode in (1, 2, 3, 4):
        cache.set("k", ANSWER)
        planted = "UPDATE Cache SET mode = ?, filename = '../secret.txt', value = NULL WHERE key = 'k'"
        tamper(folder, planted, mode)
        assert cache.get("k") is None
        tamper(folder, planted, mode)
        cache.set("k", ANSWER)
        tamper(folder, planted, mode)
        cache.delete(["k"])
    assert secret.read_text() == "secret"


def test_a_value_swapped_in_from_another_key_is_a_miss(cache, folder):
    cache.set("mine", ANSWER)
    cache.set("yours", make_answer())
    tamper(
        folder, "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key = 'yours') WHERE key = 'mine'"
    )
    assert cache.get("mine") is None
    assert cache.get("yours") == make_answer()


def test_a_shortened_value_is_a_miss_and_dropped(cache, folder):
    cache.set("k", ANSWER)
    tamper(folder, "UPDATE Cache SET value = substr(value, 1, length(value) - 20)")
    assert cache.get("k") is None
    assert tamper(folder, "SELECT * FROM Cache") == []


def test_a_value_sealed_with_another_secret_is_a_miss(folder):
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
    (folder / "secret").write_bytes(b"too short")
    with open_cache(folder) as cache:
        assert cache.get("k") is None
        cache.set("k", ANSWER)
        assert cache.get("k") == ANSWER


@pytest.mark.parametrize(
    ("name", "value"),
    [("disk_unknown", 1), ("_directory", "/"), ("disk_fetch", "x"), ("sqlite_unknown", "x"), ("size", "x")],
)
def test_planted_settings_do_not_stop_the_start(folder, name, value):
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
    tamper(folder, "INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, value)
    with open_cache(folder) as cache:
        cache.set("new", ANSWER)
        cache.set("new", ANSWER)
        assert cache.get("new") == ANSWER


def test_planted_settings_cannot_switch_off_secure_deletion(folder):
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
    tamper(folder, "UPDATE Settings SET value = 0 WHERE key = 'sqlite_secure_delete'")
    with open_cache(folder):
        assert tamper(folder, "SELECT value FROM Settings WHERE key = 'sqlite_secure_delete'") == [(1,)]


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, b"SQLite format 3\0" + bytes(9000)])
def test_a_file_that_is_no_cache_does_not_stop_the_start(folder, content):
    folder.mkdir()
    (folder / "cache.db").write_bytes(content)
    with open_cache(folder) as cache:
        cache.set("k", ANSWER)
        assert cache.get("k") == ANSWER


def test_mutated_and_truncated_files_give_no_wrong_answer_and_stop_nothing(folder):
    rng = random.Random(0)
    answers = {f"k{number}": replace(ANSWER, text=f"{number} " * 500) for number in range(8)}
    kept = 0
    for _ in range(MUTATIONS):
        with open_cache(folder) as cache:
            for key, answer in answers.items():
                cache.set(key, answer)
        damage(folder / "cache.db", rng)
        with open_cache(folder) as cache:
            for key, answer in answers.items():
                found = cache.get(key)
                assert found in (None, answer)
                kept += found is not None
            cache.set("new", ANSWER)
    assert 0 < kept < MUTATIONS * len(answers)  # else nothing was damaged, or nothing was left to read


def damage(file, rng):
    content = bytearray(file.read_bytes())
    if rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    for _ in range(rng.randint(1, 200)):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    file.write_bytes(content)


def test_a_file_truncated_under_a_running_process_is_a_miss(cache, folder):
    for number in range(50):
        cache.set(f"k{number}", replace(ANSWER, text="x" * 5000))
    with (folder / "cache.db").open("r+b") as file:
        file.truncate(8192)
    assert None in [cache.get(f"k{number}") for number in range(50)]
    cache.delete(["k49"])
    assert cache.get("k49") is None
    cache.set("new", ANSWER)
    cache.set("new", ANSWER)
    assert cache.get("new") == ANSWER


def test_a_folder_that_cannot_be_used_only_misses(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with open_cache(tmp_path / "file") as cache:
        cache.set("k", ANSWER)
        assert cache.get("k") is None
        cache.delete(["k"])
    assert (tmp_path / "file").read_text() == "in the way"


SHARE = """
import sys
from pathlib import Path
from mmrag.storage.cache import DiskAnswerCache
from tests.storage.test_cache import ANSWER
with DiskAnswerCache(Path(sys.argv[1]), size_limit=10**8) as cache:
    cache.set(sys.argv[2], ANSWER)
    assert cache.get(sys.argv[2]) == ANSWER
"""


def test_processes_that_start_at_once_agree_on_one_secret(folder):
    keys = ["a", "b", "c", "d"]
    starting = [subprocess.Popen([sys.executable, "-c", SHARE, str(folder), key]) for key in keys]
    assert [process.wait() for process in starting] == [0] * 4
    with open_cache(folder) as cache:
        assert [cache.get(key) for key in keys] == [ANSWER] * 4
