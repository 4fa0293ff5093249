"""Backup and restore of a data folder: consistent while it is used, checked, never half there.

archive.py    the file: a tar whose first member lists the others with their checksums
taking.py     a copy of each database as it is at one moment, into an archive
restoring.py  an archive checked, unpacked beside the data, then put in its place

It knows files and SQLite, no tables: whatever is in the data folder and is not disposable goes along.
"""

from mmrag.backup import archive
from mmrag.backup.archive import Entry, Manifest, verify
from mmrag.backup.restoring import Restored, finish, restore
from mmrag.backup.taking import Backup, back_up

__all__ = ["Backup", "Entry", "Manifest", "Restored", "archive", "back_up", "finish", "restore", "verify"]
