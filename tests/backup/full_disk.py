"""Run in a mount namespace of one's own: back up and restore on a disk that is too small. FOLDER."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mmrag import backup, home
from mmrag.errors import StoreUnavailable
from mmrag.storage.catalog import SqliteStore
from tests.storage.samples import EMBEDDER, held, make_version


def main(folder) -> None:
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    disk, elsewhere = Path(folder), Path(folder).parent
    for where, versions in ((elsewhere / "large", 250), (disk / "home", 10)):
        with SqliteStore(where / home.STORE) as store:
            for number in range(versions):
                make_version(number, uri=f"{number}.md").put_into(store, embedder=EMBEDDER)
    backup.back_up(elsewhere / "large", elsewhere / "large.tar")
    before = content(disk)
    report = {
        "backup": complaint(lambda: backup.back_up(elsewhere / "large", disk / "backup.tar")),
        "restore": complaint(lambda: backup.restore(disk / "home", elsewhere / "large.tar", replace=True)),
        "restore into a new folder": complaint(lambda: backup.restore(disk / "new", elsewhere / "large.tar")),
    }
    (disk / "new").rmdir()
    report["as before"] = content(disk) == before
    backup.back_up(disk / "home", disk / "small.tar")
    report["room for a small one"] = bool(backup.verify(disk / "small.tar"))
    print(json.dumps(report))  # noqa: T201 - the test reads it


def content(disk):
    """What is on the disk: all rows, and the names of all files."""
    with SqliteStore(disk / "home" / home.STORE) as store:
        rows = held(store)
    return rows, sorted(str(path) for path in disk.rglob("*"))


def complaint(work) -> str:
    try:
        work()
    except StoreUnavailable as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
