"""Fixtures shared by all tests: real parts; what holds a model is built once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from mmrag.assemble import build_embedder, build_engine, build_reader
from mmrag.cli import main
from mmrag.config import Settings
from mmrag.types import Source


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """No setting of the developer's own environment or folder reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MMRAG_{name.upper()}", raising=False)
    monkeypatch.setenv("MMRAG_HOME", str(tmp_path / "home"))


@pytest.fixture
def run(capsys):
    """Run a command of the command line; returns exit code, standard output and standard error."""

    def _run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return _run


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Where the default model is converted, once for all tests."""
    folder = tmp_path_factory.mktemp("data") / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def shared_models(models, tmp_path):
    """The test's own data folder uses the model that was converted for all."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "models").symlink_to(models)


@pytest.fixture(scope="session")
def embedder(models):
    return build_embedder(Settings(home=models.parent, threads=2))


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    return build_reader(Settings(home=tmp_path_factory.mktemp("unused")))


class OnceReader:
    """Reads by another reader, the same bytes under the same name once."""

    def __init__(self, reader):
        self._reader = reader
        self._known = {}
        self.pixel_digest, self.draw_page = reader.pixel_digest, reader.draw_page

    def read(self, data, *, name, progress=None):
        if (name, data) not in self._known:
            self._known[name, data] = self._reader.read(data, name=name, progress=progress)
        return self._known[name, data]

    def close(self):
        self._reader.close()


@pytest.fixture(scope="session")
def examples_reader(reader):
    """For the example documents, which several tests need: their pictures take seconds to read."""
    return OnceReader(reader)


@pytest.fixture
def start_engine(embedder, reader, tmp_path):
    """Start engines on one data folder; closed after the test."""
    with ExitStack() as stack:

        def start(**settings):
            chosen = Settings(**{"home": tmp_path / "home"} | settings)
            return stack.enter_context(build_engine(chosen, embedder=embedder, reader=reader))

        yield start


@pytest.fixture
def engine(start_engine):
    return start_engine()


@pytest.fixture
def add_text(engine):
    """Add a text as a document."""

    def add(text, *, name="note.txt", collection="default"):
        source = Source(name=name, data=text.encode(), uri=f"test:{name}")
        return engine.add(source, collection=collection)

    return add
