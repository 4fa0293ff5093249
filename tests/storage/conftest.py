"""A store of its own for each test."""

from __future__ import annotations

import pytest

from tests.storage.samples import open_store


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home):
    with open_store(home) as opened:
        yield opened
