"""A sample of `python -m benchmarks.citations`, and that it finds what is misplaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.citations import check


@pytest.fixture
def paths(tmp_path):
    for number in range(6):
        text = "\n\n".join(
            f"The pump {number}{line} in hall {line} was serviced on day {line * 3} by the night shift."
            for line in range(12)
        )
        (tmp_path / f"{number}.md").write_text(f"# Pumps of plant {number}\n\n{text}\n")
    return sorted(tmp_path.glob("*.md"))


@pytest.fixture
def checked(paths, tmp_path, embedder):
    def run(reader):
        return check(paths, questions=12, seed=3, home=tmp_path / "engine", embedder=embedder, reader=reader)

    return run


def test_every_quote_stands_on_the_page_that_is_cited(checked, reader):
    citations, wrong = checked(reader)
    assert citations >= 12
    assert wrong == []


class Forgetful:
    """Reads a document the second time with other words."""

    def __init__(self, reader):
        self._reader = reader
        self._seen = set()

    def read(self, data, *, name, progress=None):
        reading = self._reader.read(data, name=name, progress=progress)
        if name not in self._seen:
            self._seen.add(name)
            return reading
        pages = tuple(replace(page, text=page.text.replace("pump", "pomp")) for page in reading.pages)
        return replace(reading, pages=pages)


def test_a_quote_that_is_not_on_its_page_is_found(checked, reader):
    citations, wrong = checked(Forgetful(reader))
    assert citations
    assert wrong
