"""Promise: several processes share one data folder, and no reader sees a half document.

Two writers replace, add and remove documents while three readers ask. Each version of a document
has its number in its title and in each of its chunks.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mmrag.types import ChunkDraft, Document, Page, document_id
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, compact, open_store, opened
from tests.trust.processes import started
from tests.trust.rows import read_rows

TRIALS = 20
WRITERS, READERS = 2, 3
DOCUMENTS = 5  # of each writer that are only replaced, and as many that come and go
CHUNKS = 3
SECONDS = 3.0
COLLECTION = "shared"
_VERSION = re.compile(r"version (\d+)")


def run(trials, seed, folder):
    """Let writers and readers work so many times."""
    with trial_run(seed) as outcome:
        for trial in range(trials):
            _trial(folder / str(trial), f"{seed} {trial}", outcome)
            outcome.trials += 1
        return outcome


def _trial(home, seed, outcome):
    # The versions that are committed, for readers to compare with; one more process-shared thing
    # than the data folder has.
    home.mkdir(parents=True)
    committed = home.parent / f"{home.name}.committed"
    np.zeros((WRITERS, DOCUMENTS), dtype=np.int64).tofile(committed)
    with open_store(home):
        pass
    arguments = [(write, str(home), str(committed), seed, number) for number in range(WRITERS)]
    arguments += [(read, str(home), str(committed), seed, number) for number in range(READERS)]
    with ExitStack() as stack:
        running = [stack.enter_context(started(*argument)) for argument in arguments]
        for process, connection in running:
            report = _report(connection)
            process.join(60)
            if not outcome.check(report is not None and process.exitcode == 0, f"trial {seed}: one failed"):
                continue
            for what, number in report["counts"].items():
                outcome.count(what, number)
            outcome.failures += [f"trial {seed}: {failure}" for failure in report["failures"]]
    rows = read_rows(home)
    outcome.failures += [f"trial {seed}: {fault}" for fault in rows.faults]
    outcome.check(len(rows.documents) >= WRITERS * DOCUMENTS, f"trial {seed}: documents were lost")
    committed.unlink()


def _report(connection):
    try:
        return connection.recv() if connection.poll(SECONDS + 60) else None
    except EOFError:
        return None


def _board(path):
    return np.memmap(path, dtype=np.int64, mode="r+", shape=(WRITERS, DOCUMENTS))


def _put(store, uri, version):
    """A document of three chunks, whose every part says which version it is."""
    texts = [f"part {i} of {_name(uri)}, version {version}" for i in range(CHUNKS)]
    page = "\n\n".join(texts)
    drafts = [ChunkDraft(1, page.index(text), page.index(text) + len(text), text) for text in texts]
    id_ = document_id(COLLECTION, uri)
    title = f"{uri} version {version}"
    store.put(
        Document(id_, COLLECTION, title, uri, "text/plain", 1, CHUNKS, 0, "2024-01-01T00:00:00Z"),
        content_hash=str(version),
        pages=[Page(1, page)],
        chunks=drafts,
        vectors=EMBEDDER.embed_documents(texts),
        embedder=EMBEDDER.name,
    )


def _name(uri):
    """One word that only this document has."""
    return "name" + uri.replace("-", "x").partition(".")[0]


def write(connection, home, committed, seed, me):
    """Replace documents, add and remove others, until the time is over."""
    rng = random.Random(f"{seed} writer {me}")
    home, board = Path(home), _board(committed)
    versions = [0] * DOCUMENTS
    coming_and_going: set = set()
    changes = 0
    with opened(home) as (store, retriever):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            number = rng.randrange(DOCUMENTS)
            if rng.random() < 0.6:
                versions[number] += 1
                _put(store, f"kept-{me}-{number}.md", versions[number])
                board[me, number] = versions[number]  # after the commit
            elif rng.random() < 0.1:
                compact(store, retriever)
            elif number in coming_and_going:
                coming_and_going.remove(number)
                store.remove([document_id(COLLECTION, f"guest-{me}-{number}.md")], [COLLECTION])
            else:
                coming_and_going.add(number)
                _put(store, f"guest-{me}-{number}.md", changes)
            changes += 1
        for number in range(DOCUMENTS):
            if not versions[number]:
                _put(store, f"kept-{me}-{number}.md", 1)
    connection.send({"counts": {"changes": changes}, "failures": []})


def read(connection, home, committed, seed, me):
    """Ask, and compare what is found with what was committed before the question."""
    rng = random.Random(f"{seed} reader {me}")
    board = _board(committed)
    failures, questions = [], 0
    with opened(Path(home)) as (_, retriever):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            writer, number = rng.randrange(WRITERS), rng.randrange(DOCUMENTS)
            uri = f"{rng.choice(['kept', 'kept', 'guest'])}-{writer}-{number}.md"
            before = int(board[writer, number])
            hits = retriever.search(_name(uri), collections=[COLLECTION], k=1_000)
            questions += 1
            failures += _faults(hits, uri, before if uri.startswith("kept") else 0)
    connection.send({"counts": {"questions": questions}, "failures": failures})


def _faults(hits, uri, before):
    by_document: dict = {}
    for hit in hits:
        by_document.setdefault(hit.uri, []).append((hit.chunk.text, hit.title))
    for found, parts in by_document.items():
        versions = {_VERSION.search(text)[1] for part in parts for text in part}
        if len(versions) != 1:
            yield f"{found} was found in versions {versions}"
        if len(parts) != CHUNKS:
            yield f"{len(parts)} of {CHUNKS} parts of {found} were found"
    if before and uri not in by_document:
        yield f"{uri} was committed in version {before} and not found"
    elif before:
        version = int(_VERSION.search(by_document[uri][0][0])[1])
        if version < before:
            yield f"version {version} of {uri} was found after version {before} was committed"
