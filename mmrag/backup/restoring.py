"""Restoring: an archive is checked and unpacked beside the data, and only then put in its place.

    unpack into restoring/, every byte checked and on disk     killed here: the old data is untouched
    publish the plan, restore.json                             from here on the restore is decided
    move what was there into replaced-<time>/, delete indexes, move the new in, delete the plan
                                                               killed here: `finish` goes on from there

While there is a plan, nothing opens the store. Indexes and cache go: a restored store may come to
revisions that they remember, with another content.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mmrag import home
from mmrag.backup import archive
from mmrag.backup.databases import is_database, is_in_use
from mmrag.backup.places import ASIDE, STAGE, held, kept_entries, kept_files
from mmrag.errors import InvalidInput, NotFound, StoreUnavailable
from mmrag.retrieval.disk import delete, fsync, publish, published

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and the folder with what was there before, if there was anything.

    A restore that was only finished does not know its manifest any more.
    """

    manifest: archive.Manifest | None
    aside: Path | None


def restore(folder: Path, file: Path, *, replace: bool = False) -> Restored:
    """Restore a backup into the data folder; with `replace` also where it holds data, which is kept aside.

    Nothing is changed unless the backup is whole. Raises NotReadable where it is not, InvalidInput where
    the folder holds data, StoreUnavailable where that is in use or the disk refuses.
    """
    with _faults(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            _go_on(folder)
            old = kept_entries(folder)
            if old and not replace:
                raise InvalidInput(
                    f"{folder} holds data: choose an empty folder with MMRAG_HOME, or give --replace, which "
                    f"moves what is there into a folder {ASIDE}… within it."
                )
            manifest = _unpack(file, folder / STAGE)
            _decide(folder, old)
            aside = _go_on(folder)
    return Restored(manifest, aside)


def finish(folder: Path) -> Restored:
    """Finish a restore that was interrupted once it was decided.

    Raises NotFound where there is none.
    """
    if not (folder / home.RESTORE_PLAN).exists():
        raise NotFound(f"No restore of {folder} was interrupted: name the backup to restore.")
    with _faults(folder), _alone(folder):
        return Restored(None, _go_on(folder))


def _unpack(file: Path, stage: Path) -> archive.Manifest:
    delete(stage)
    stage.mkdir(mode=0o700)
    try:
        manifest = archive.unpack(file, into=lambda entry: stage / entry.name)
        if (stage / home.STORE).exists():
            _check_version(stage / home.STORE)
        for path in (stage, *stage.rglob("*")):
            if path.is_dir():
                fsync(path)
    except BaseException:
        delete(stage)
        raise
    return manifest


def _check_version(store: Path) -> None:
    """Open it as the engine would. Raises StoreUnavailable where a newer version wrote it."""
    from mmrag.storage.database import Database  # noqa: PLC0415 - its extra is there where a store is used

    Database(store).close()


def _decide(folder: Path, old: list[str]) -> None:
    plan = {
        "old": old,
        "new": sorted(path.name for path in (folder / STAGE).iterdir()),
        "aside": f"{ASIDE}{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}",
    }
    publish(folder / home.RESTORE_PLAN, plan)
    # Only now: who opens the store from here on sees the plan, and who has it open already is seen.
    used = [name for name in kept_files(folder) if is_database(folder / name) and is_in_use(folder / name)]
    if used:
        (folder / home.RESTORE_PLAN).unlink()
        delete(folder / STAGE)
        raise StoreUnavailable(
            f"{folder / used[0]} is in use: stop the engine and the bots, then restore. Nothing was changed."
        )


def _go_on(folder: Path) -> Path | None:
    """Carry out the plan from wherever it was left; nothing where there is none.

    Each step is a rename that is done or not, and whether it is can be told from what is where.
    """
    if not (folder / home.RESTORE_PLAN).exists():
        return None
    plan = published(folder / home.RESTORE_PLAN)
    if plan is None:
        raise StoreUnavailable(
            f"{folder / home.RESTORE_PLAN} is damaged: look into {STAGE} and {ASIDE}… beside it, move "
            "what is to be kept back by hand, and delete it."
        )
    stage, aside = folder / STAGE, folder / plan["aside"]
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in set(plan["old"]) - set(plan["new"]):
        _put_aside(folder / name, aside)
    for name in home.DISPOSABLE - {"models"}:
        delete(folder / name)
    for name in plan["new"]:
        if (stage / name).exists():  # else it is in its place already
            _put_aside(folder / name, aside)
            (stage / name).rename(folder / name)
    for changed in (aside, folder):
        fsync(changed)
    delete(stage)
    kept = any(aside.iterdir())
    if not kept:
        aside.rmdir()
    (folder / home.RESTORE_PLAN).unlink()
    fsync(folder)
    return aside if kept else None


def _put_aside(path: Path, aside: Path) -> None:
    """Move what bears this name, if there is something, and take nobody's place there."""
    if os.path.lexists(path):
        path.rename(_free(aside / path.name))


def _free(path: Path) -> Path:
    """This path, or one beside it where something bears its name already."""
    while os.path.lexists(path):
        path = path.with_name(f"{path.name}.later")
    return path


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with held(folder) as ours:
        if not ours:
            raise StoreUnavailable(f"Another restore of {folder} is under way: wait for it.")
        yield


@contextmanager
def _faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            says = "the disk is full, free some space"
        else:
            says = f"{error.filename or folder} failed ({error.strerror}), check permissions and the disk"
        raise StoreUnavailable(f"{folder} was not restored: {says}. Run it again.") from error
