"""A store of an earlier version is brought up to date with all that it holds."""

from __future__ import annotations

import apsw
import numpy as np
import pytest

from mmrag.storage.schema import MIGRATIONS, NewerSchemaError, migrate
from tests.storage.samples import make_version, open_store

FIRST_VERSION = """
    INSERT INTO collections VALUES (1, 'shared', 7), (2, 'emptied', 3);
    INSERT INTO embedders VALUES (1, 'tiny');
    INSERT INTO documents VALUES (1, 'd1', 1, 'a.md', 'A', 'text/markdown', 'h', 1, 1, 2, 0, '2024-01-01');
    INSERT INTO pages VALUES (1, 1, 'one two');
    INSERT INTO chunks VALUES (5, 1, 1, 7, 1, 0, 3, 'one', 'A', 'text', NULL);
    INSERT INTO chunks VALUES (6, 1, 1, 7, 1, 4, 7, 'two', 'A', 'text', NULL);
    INSERT INTO vectors VALUES (5, x'0000803f00000000'), (6, x'000000000000803f');
    INSERT INTO removals VALUES (2, 3, 1, 2);
"""


@pytest.fixture
def first_version(home):
    """A file as the first version of the schema left it."""
    home.mkdir(exist_ok=True)
    db = apsw.Connection(str(home / "store.sqlite3"))
    db.execute("BEGIN")
    migrate(db, MIGRATIONS[:1])
    list(db.execute(FIRST_VERSION))
    db.execute("COMMIT")
    db.close()
    return home


def test_documents_chunks_and_vectors_of_the_first_version_are_kept(first_version):
    with open_store(first_version) as store:
        (document,) = store.documents(None)
        assert (document.id, document.title, document.chunks) == ("d1", "A", 2)
        state = store.states()["shared"]
        assert (state.revision, state.horizon, state.embedder) == (7, 0, "tiny")
        batch = store.rows(store.changes("shared", since=0, after=0).added, embedder="tiny")
        assert batch.texts == ("A\none", "A\ntwo")
        assert (batch.vectors == np.eye(2, dtype=np.float32)).all()


def test_what_was_removed_from_it_still_waits_for_compaction(first_version):
    with open_store(first_version) as store:
        assert store.erasures() == 1
        store.compact()
        assert store.erasures() == 0


def test_new_revisions_go_on_from_the_greatest_one(first_version):
    with open_store(first_version) as store:
        make_version(1, collection="emptied").put_into(store)
        assert store.states()["emptied"].revision == 8


def test_a_file_of_a_later_version_is_refused():
    db = apsw.Connection(":memory:")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(NewerSchemaError):
        migrate(db)
