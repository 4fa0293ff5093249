"""The console on the real engine: models, indexes, OCR and the store on disk."""

from __future__ import annotations

import io
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from bots.addresses import Reach
from bots.console import Screen, Session
from bots.console.chat import LateWeb
from bots.conversation import Audience, Desk
from tests.bots.program import script_played

HANDBOOK = """# Handbook

Every employee has 28 days of paid leave a year.

The front desk has telephone extension 200.
"""
ASK_FOR_LEAVE = "/ask How many days of paid leave does every employee have?"


@pytest.fixture
def handbook(tmp_path):
    (tmp_path / "handbook.md").write_text(HANDBOOK)


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def play(engine, out, tmp_path):
    screen = Screen(Console(file=out, width=100, highlight=False, markup=False, emoji=False), person="ana")
    with Session(
        *(engine, screen),
        audience=Audience(("default",)),
        author="ana",
        max_file_bytes=1_000_000,
        desk=Desk(web=LateWeb(Reach.parse("127.0.0.1"), 1_000_000)),
    ) as session:
        yield lambda *lines: session.play(lines, folder=tmp_path)


@pytest.mark.usefixtures("handbook")
def test_a_document_is_added_asked_and_the_repeat_comes_from_the_cache(play, out):
    assert play("/kb add handbook.md", ASK_FOR_LEAVE, ASK_FOR_LEAVE)
    shown = out.getvalue()
    assert "handbook.md: added, 1 page" in shown
    assert shown.count("28 days of paid leave a year. [1]") == 2
    assert shown.count("[1] Handbook, page 1") == 2
    assert shown.count("from the cache in") == 1


@pytest.fixture
def site(tmp_path):
    """The address of a site that shows the folder `site`."""
    (tmp_path / "site").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_page_is_cited_by_its_title_and_its_address_and_what_cannot_be_read_is_not_there(
    play, out, tmp_path, site, engine
):
    (tmp_path / "site" / "leave.html").write_text(
        "<html><head><title>Leave at Acme</title></head><body><nav>Home</nav>"
        "<p>Every employee has 28 days of paid leave a year.</p></body></html>"
    )
    (tmp_path / "site" / "blob").write_bytes(bytes(range(256)) * 8)
    assert not play(f"/kb add {site}/leave.html?utm_source=x#top {site}/blob")
    assert "leave.html: added, 1 page, 1 passage" in out.getvalue()
    assert "blob: This type of file is not read" in out.getvalue()
    [document] = engine.documents()
    assert (document.title, document.uri) == ("Leave at Acme", f"{site}/leave.html")
    assert (document.media_type, document.added_by) == ("text/html", "ana")
    assert play(f"/kb add {site}/leave.html", ASK_FOR_LEAVE)
    assert "leave.html: unchanged" in out.getvalue()
    assert f"[1] Leave at Acme, page 1  {site}/leave.html" in out.getvalue()


@pytest.mark.usefixtures("handbook")
def test_a_correction_is_cited_in_the_next_answer(play, out):
    ask = "/ask Which telephone extension has the front desk?"
    assert play("/kb add handbook.md", ask, "/down The front desk has extension 240 since October.", ask)
    first, _, last = out.getvalue().partition("/down")
    assert "extension 200" in first
    assert "extension 240" in last.partition("/ask")[2]
    assert "Correction by ana" in last


@pytest.mark.usefixtures("handbook")
def test_a_broken_picture_is_named_with_its_reason(play, out, tmp_path):
    (tmp_path / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert play("/kb add handbook.md", "/attach chart.png", ASK_FOR_LEAVE)
    assert "! chart.png was not used. This picture is damaged" in out.getvalue()


@pytest.mark.usefixtures("handbook", "shared_models")
def test_the_program_plays_a_script_on_a_data_folder_of_its_own(tmp_path):
    lines = ("/kb add handbook.md", ASK_FOR_LEAVE)
    shown = script_played(tmp_path, lines, "--name", "ana", home=tmp_path / "home")
    assert "28 days of paid leave a year. [1]" in shown
