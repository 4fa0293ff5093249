"""The pages in a real browser: nothing is blocked, nothing overflows, and axe-core finds no fault.

`make browser` installs what this needs.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.links import PageLinks, read_key
from mmrag.types import Asked, Question, Rating, Source
from tests.pages.conftest import HANDBOOK, LEAVE
from tests.service.serving import served
from tests.trust.parts import EMBEDDER

AXE = Path(__file__).parent / "browser" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHART = Path(__file__).parents[2] / "examples" / "attachments" / "tickets-per-month.png"
LOOKS = {"light and wide": (1_200, "light"), "dark and narrow": (360, "dark")}

playwright = pytest.importorskip("playwright.sync_api", reason="make browser installs Playwright")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="make browser installs axe-core"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory, reader):
    """(address, {name: path}, the key of an owner) of a service with a bit of everything."""
    home = tmp_path_factory.mktemp("browser") / "home"
    settings = Settings(home=home, keep_originals=True, public_url="http://unused.example")
    with build_engine(settings, embedder=EMBEDDER, reader=reader) as engine:
        paths = _filled(engine, home)
        with build_keys(settings) as keys:
            key = keys.add("owner", collections=["*"], role="admin")[1]
        local = settings.model_copy(update={"public_url": ""})
        with served(engine, local) as address:
            yield address, paths, key


def _filled(engine, home):
    engine.add(Source("handbook.md", HANDBOOK, uri="https://files.example/handbook"), collection="default")
    engine.add(Source("chart.png", CHART.read_bytes(), uri="u:chart"), collection="default")
    engine.add(Source("plan.md", b"# Plan\n\nThe launch is on Thursday.", uri="u:plan"), collection="board")
    leave = engine.ask(Question(LEAVE))
    chart = engine.ask(Question("How many support tickets were there in August 2025?"))
    unknown = engine.ask(Question("Is the office closed for the moon landing?"))
    engine.ask(Question("Will the office be closed for the moon landing?"))
    engine.propose(Rating(leave.id, "down", "30 days, since May.", author="eva"), proposal_id="p1")
    now = time.time()
    engine.insight.note(
        [
            Asked(
                now - day * 86_400,
                answer.id,
                "default",
                answer.abstained,
                bool(day % 2),
                {"read": 9_600.0, "search": 56.0, "generate": 522.0, "ground": 1.0, "total": 10_100.0},
            )
            for day in range(25)
            for answer in (leave, unknown)[: 1 + day % 2]
        ]
    )
    old = PageLinks(read_key(home / "links.key"), days=-1).token(leave.id, 1)
    inside = "/admin/in/default"
    return {
        "a text": leave.citations[0].link.removeprefix("http://unused.example"),
        "a picture": chart.citations[0].link.removeprefix("http://unused.example"),
        "an expired link": f"/s/{old}",
        "the overview": "/admin",
        "a collection": inside,
        "questions": f"{inside}/questions",
        "documents": f"{inside}/documents",
        "corrections": f"{inside}/corrections",
    }


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=LOOKS)
def tab(request, chromium, site):
    """A window of this width and these colours, and all that the browser complained of."""
    width, colours = LOOKS[request.param]
    context = chromium.new_context(
        base_url=site[0], viewport={"width": width, "height": 900}, color_scheme=colours
    )
    tab = context.new_page()
    complaints = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab, complaints
    context.close()


def faults(tab):
    """What axe-core objects to, of whatever weight."""
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        (fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"]]) for fault in found
    ]


def test_axe_finds_no_fault_nothing_overflows_and_nothing_is_blocked(tab, site):
    page, complaints = tab
    _, paths, key = site
    page.goto("/admin")
    assert faults(page) == []
    page.fill("#key", key)
    page.click("button")
    complaints.clear()  # the way in is answered by 401, which the browser notes
    for name, path in paths.items():
        page.goto(path, wait_until="load")
        assert (name, faults(page)) == (name, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)"), name
        assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith("system-ui"), name
    assert [each for each in complaints if "410" not in each] == []


def test_a_link_shows_the_quoted_words_at_once_and_the_keyboard_reaches_them(tab, site):
    page, _ = tab
    page.goto(site[1]["a text"], wait_until="load")
    top = page.evaluate("document.querySelector('#quote').getBoundingClientRect().top")
    assert 0 <= top <= 900
    page.goto(site[1]["a text"].removesuffix("#quote"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Go to the quoted words"
    page.keyboard.press("Enter")
    assert page.url.endswith("#quote")
    quoted = page.evaluate("getComputedStyle(document.querySelector('mark')).backgroundColor")
    assert quoted != page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")


def test_a_correction_is_approved_with_a_click(chromium, site):
    address, paths, key = site
    context = chromium.new_context(base_url=address)
    page = context.new_page()
    page.goto("/admin")
    page.fill("#key", key)
    page.click("button")
    page.goto(paths["corrections"])
    page.click('button:text-is("Approve")')
    assert page.locator("[role=status]").inner_text().startswith("Approved")
    assert "Nothing waits" in page.inner_text("main")
    context.close()
