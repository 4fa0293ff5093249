"""Run in a mount namespace of one's own: fill a small disk, free it, make it read-only. FOLDER."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mmrag.errors import StoreUnavailable
from tests.storage.samples import expected, held, make_version, open_store


def main(folder) -> None:
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    ballast = Path(folder, "ballast")
    ballast.write_bytes(bytes(400_000))
    home = Path(folder, "home")
    report = {}
    with open_store(home) as store:
        whole = {}
        while True:
            version = make_version(len(whole), uri=f"{len(whole)}.md")
            try:
                version.put_into(store)
            except StoreUnavailable as error:
                report["full"] = str(error)
                break
            whole["shared", version.document.uri] = expected(version)
        report["stored"] = len(whole)
        report["kept while full"] = held(store) == whole
        ballast.unlink()
        version.put_into(store)
        whole["shared", version.document.uri] = expected(version)
        report["goes on"] = held(store) == whole
    with open_store(home) as store:
        report["kept after a restart"] = held(store) == whole
    empty = Path(folder, "empty")
    empty.mkdir()
    mount("-o", "remount,ro", folder)
    report["read-only"] = complaint(home)
    report["read-only and empty"] = complaint(empty)
    report["read-only and not there"] = complaint(empty / "home")
    print(json.dumps(report))  # noqa: T201 - the test reads it


def complaint(home) -> str:
    try:
        open_store(home)
    except StoreUnavailable as error:
        return str(error)
    return ""


def mount(*arguments) -> None:
    subprocess.run(["/bin/mount", *arguments], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
