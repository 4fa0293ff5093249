"""What `make types` installs with npm, and the tests that need it."""

from __future__ import annotations

import shutil

import pytest


def needs(folder, package):
    """A mark: without node, or this package in this folder, a test is skipped, and says what to do."""
    missing = ""
    if shutil.which("node") is None:
        missing = "node is not installed: install it, with npm, and run  make types"
    elif not (folder / "node_modules" / package).is_dir():
        missing = f"{package} is not installed: run  make types"
    return pytest.mark.skipif(bool(missing), reason=missing)
