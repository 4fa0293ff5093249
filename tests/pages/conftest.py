"""The pages over the real engine; only the embedding model is replaced, by vectors of hashed words."""

from __future__ import annotations

from contextlib import ExitStack
from io import BytesIO

import pytest
from openpyxl import Workbook
from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas
from selectolax.lexbor import LexborHTMLParser
from starlette.testclient import TestClient

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.service.app import create_app
from mmrag.types import Question, Source
from tests.trust.parts import EMBEDDER

PUBLIC = "https://answers.example"
LEAVE = "How many days of paid leave does every employee have?"
HANDBOOK = b"""# Handbook

## Leave

Every employee has 28 days of paid leave a year. Ask two weeks ahead.

## Offices

- The printer is on floor 3.
- The kitchen is on floor 4.

| Office | People |
| --- | --- |
| Leiden | 61 |
| Porto | 23 |
"""
PLAN = b"# Plan\n\nThe secret launch is on Thursday.\n"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def settings(home):
    """(**settings) -> Settings on one data folder."""
    return lambda **chosen: Settings(**{"home": home, "public_url": PUBLIC} | chosen)


@pytest.fixture
def start_engine(settings, reader):
    """Start engines on one data folder; closed after the test."""
    with ExitStack() as stack:
        yield lambda **chosen: stack.enter_context(
            build_engine(settings(**chosen), embedder=EMBEDDER, reader=reader)
        )


@pytest.fixture
def engine(start_engine):
    """With a handbook in `default` and a plan in `board`."""
    engine = start_engine()
    engine.add(Source("handbook.md", HANDBOOK, uri="u:handbook"), collection="default")
    engine.add(Source("plan.md", PLAN, uri="u:plan"), collection="board")
    return engine


@pytest.fixture
def browse(settings):
    """(engine, **settings) -> a browser without memory of earlier visits."""
    with ExitStack() as stack:

        def browse(engine, *, peer="127.0.0.1", at=PUBLIC, **chosen):
            client = TestClient(
                create_app(engine, settings(**chosen)),
                base_url=at,
                client=(peer, 50_000),
                follow_redirects=False,
            )
            return stack.enter_context(client)

        yield browse


@pytest.fixture
def make_key(settings):
    """(name, *collections, role) -> the key as it is shown once."""

    def make_key(name, *collections, role="admin"):
        with build_keys(settings()) as keys:
            return keys.add(name, collections=collections, role=role)[1]

    return make_key


def linked(engine, question=LEAVE, collections=("default",)):
    """The path of the first citation's link, without the fragment."""
    answer = engine.ask(Question(question, collections))
    link = answer.citations[0].link
    assert link.startswith(f"{PUBLIC}/s/")
    return link.removeprefix(PUBLIC).removesuffix("#quote")


def parsed(reply):
    return LexborHTMLParser(reply.text)


def text_of(reply):
    """What a person reads, with the white space as they see it."""
    return " ".join(parsed(reply).body.text(separator=" ").split())


def workbook(*texts):
    """A workbook, of which each sheet is a page."""
    book, file = Workbook(), BytesIO()
    book.remove(book.active)
    for number, text in enumerate(texts, start=1):
        book.create_sheet(f"Sheet {number}").append([text])
    book.save(file)
    return file.getvalue()


def pdf(*texts):
    """A PDF with a page for each text."""
    file = BytesIO()
    sheet = Canvas(file)
    for text in texts:
        sheet.drawString(72, 700, text)
        sheet.showPage()
    sheet.save()
    return file.getvalue()


def picture(text):
    """A small picture of a text."""
    sheet, file = Image.new("RGB", (420, 90), "white"), BytesIO()
    ImageDraw.Draw(sheet).text((20, 25), text, fill="black", font=ImageFont.load_default(size=32))
    sheet.save(file, "PNG")
    return file.getvalue()
