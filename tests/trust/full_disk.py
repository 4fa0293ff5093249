"""Promise: a full disk loses nothing acknowledged, says so in one sentence, and the old index answers.

`python -m tests.trust.full_disk FOLDER FIRST LAST SEED` runs the levels in a mount namespace of its
own: at each, one small disk holds store, indexes and cache, and has a little more room than before.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from mmrag.errors import StoreUnavailable
from mmrag.storage.cache import DiskAnswerCache
from tests.machine import why_no_mount
from tests.storage.samples import make_answer
from tests.trust.outcome import CannotRunError, trial_run
from tests.trust.parts import COLLECTIONS, EMBEDDER, compact, opened, settle
from tests.trust.rows import expected_rows, index_faults, make_document, read_rows

TRIALS = 100
DISK_BYTES = 8_000_000
STEP_BYTES = 16_000  # of free room, from one level to the next
DOCUMENTS = 12  # that are there before


def run(trials, seed, folder):
    """Fill a disk at so many levels. Raises CannotRunError where none can be mounted."""
    with trial_run(seed) as outcome:
        disk = folder / "disk"
        disk.mkdir(parents=True)
        command = ["unshare", "-Urm", sys.executable, "-m", "tests.trust.full_disk", str(disk)]
        if (why := why_no_mount(disk)) is not None:
            raise CannotRunError(why)
        done = 0
        while done < trials:  # a process that crashes costs one level
            levels = [str(done * TRIALS // trials), str(trials), str(seed), str(max(1, TRIALS // trials))]
            ran = subprocess.run([*command, *levels], check=False, capture_output=True, text=True)
            reports = [json.loads(line) for line in ran.stdout.splitlines()][: trials - done]
            for report in reports:
                outcome.failures += report["failures"]
                outcome.count("documents acknowledged", report["acknowledged"])
                outcome.count("refused", report["refused"])
            done += len(reports)
            if done < trials:
                last = ran.stderr.strip().splitlines()[-1:]
                outcome.check(holds=False, failure=f"level {done}: ended with {ran.returncode}: {last}")
                done += 1
        outcome.trials = done
        return outcome


def main(disk, first, trials, seed, stride):
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk]
    subprocess.run(mount, check=True)
    level, taken = int(first), 0
    while taken < int(trials) and level < TRIALS:
        report = Level(Path(disk), level, int(seed)).run()
        print(json.dumps(report), flush=True)  # noqa: T201 - the caller reads it
        level += int(stride)
        taken += 1


class Level:
    """One level: a disk that has so much room left, filled with documents, then freed."""

    def __init__(self, disk, level, seed):
        self.disk = disk
        self.name = f"level {level}"
        self.free = level * STEP_BYTES
        self.seed = f"{seed} {level}"
        self.exact = level % 2 == 0
        self.failures = []
        self.held = {}
        self.refused = 0

    def run(self):
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        home = self.disk / "home"
        with opened(home, exact=self.exact) as (store, retriever):
            for number in range(DOCUMENTS):
                self.add(store, number)
            retriever.search("gateway", collections=COLLECTIONS, k=5)
            settle(retriever)
            with DiskAnswerCache(home / "cache", size_limit=10**7) as cache:
                self.fill()
                self.add_until_full(store, retriever, cache)
                self.check(home, retriever, "while full")
                self.check_full_operations(store, retriever)
            self.check(home, retriever, "while full, asked again")
            with opened(home, exact=self.exact) as (_, another):
                self.check(home, another, "opened while full")
            (self.disk / "ballast").unlink()
            self.add(store, "after")
            self.check(home, retriever, "once freed")
            compact(store, retriever)
        with opened(home, exact=self.exact) as (_, retriever):
            self.check(home, retriever, "opened again")
            settle(retriever)
            self.check(home, retriever, "opened again, index written")
        return {"failures": self.failures, "acknowledged": len(self.held), "refused": self.refused}

    def add(self, store, number):
        document = make_document(
            f"{self.seed} {number}", collection=COLLECTIONS[0], uri=f"{number}.md", picture_bytes=20_000
        )
        document.put_into(store, embedder=EMBEDDER.name)
        self.held[COLLECTIONS[0], document.document.uri] = expected_rows(document)

    def fill(self):
        """Leave so much room as this level has."""
        with (self.disk / "ballast").open("wb") as ballast:
            room = shutil.disk_usage(self.disk).free - self.free
            for _ in range(max(0, room) // 4096):
                ballast.write(bytes(4096))

    def add_until_full(self, store, retriever, cache):
        answer = make_answer(text="long " * 200)
        for number in range(10_000):
            try:
                self.add(store, f"more {number}")
            except StoreUnavailable as error:
                self.refused += 1
                if "is full" not in str(error) or "\n" in str(error):
                    self.failures.append(f"{self.name}: said {error}")
                return
            retriever.search("gateway", collections=COLLECTIONS, k=5)
            cache.set(f"k{number}", answer)
            if cache.get(f"k{number}") not in (None, answer):
                self.failures.append(f"{self.name}: the cache gave another answer")
        self.failures.append(f"{self.name}: never full")

    def check_full_operations(self, store, retriever):
        """What else writes says so too, or does it; nothing is lost by it."""
        random.Random(self.seed).shuffle(removable := [uri for _, uri in self.held])
        for operation in (
            lambda: compact(store, retriever),
            lambda: self.remove(store, removable[0]),
            lambda: self.remove(store, removable[1]),
        ):
            try:
                operation()
            except StoreUnavailable as error:
                self.refused += 1
                if "full" not in str(error):
                    self.failures.append(f"{self.name}: said {error}")

    def remove(self, store, uri):
        document, _ = store.find(collection=COLLECTIONS[0], uri=uri)
        store.remove([document.id], [COLLECTIONS[0]])
        del self.held[COLLECTIONS[0], uri]

    def check(self, home, retriever, when):
        rows = read_rows(home)
        lost = [place for place in self.held if rows.documents.get(place) != self.held[place]]
        if rows.documents != self.held:
            self.failures.append(f"{self.name}, {when}: {len(lost)} lost, {len(rows.documents)} there")
        faults = [
            *rows.faults,
            *index_faults(
                retriever, rows, random.Random(self.seed), collections=COLLECTIONS[:2], exact=self.exact
            ),
        ]
        self.failures += [f"{self.name}, {when}: {fault}" for fault in faults]


if __name__ == "__main__":
    main(*sys.argv[1:])
