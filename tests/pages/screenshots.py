"""Draws the pictures of docs/pages.md: a page of the example documents, and the look inside.

    python -m tests.pages.screenshots docs

It needs what `make browser` installs. The documents and questions are the examples'; the month of questions
that the plot shows is invented, from a fixed seed.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from importlib import import_module
from io import BytesIO
from pathlib import Path

from PIL import Image

from mmrag.assemble import build_engine, build_keys
from mmrag.config import Settings
from mmrag.types import Asked, Question, Rating, Source
from tests.service.serving import served

KNOWLEDGE = Path(__file__).parents[2] / "examples" / "knowledge"
DOCUMENTS = ("handbook.md", "quarterly-report-q3-2025.pdf", "incident-2025-08-19.html", "faq-zh.md")
PUBLIC = "https://answers.example"
TABLE = "What was the revenue of oximeters in Q3 2025?"
QUESTIONS = (
    TABLE,
    "How much paid leave do I get a year?",
    "What did the outage cost?",
    "收到商品后多少天内可以退货？",
    "Who reviewed the incident report?",
    "Do we have a company car policy?",
    "Is there a policy for company cars?",
    "What is the wifi password for guests?",
    "公司有宠物政策吗？",
)
COLOURS = 200  # of a picture: enough for text, and small


def main(folder):
    """Write the pictures into this folder."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), public_url=PUBLIC, keep_originals=True)
        with build_engine(settings) as engine:
            links = _filled(engine)
            with build_keys(settings) as keys:
                key = keys.add("owner", collections=["*"], role="admin")[1]
            with served(engine, settings.model_copy(update={"public_url": ""})) as address:
                _draw(address, links, key, Path(folder))


def _filled(engine):
    for name in DOCUMENTS:
        source = Source(name, (KNOWLEDGE / name).read_bytes(), uri=f"u:{name}")
        engine.add(source, collection="team")
    answers = [engine.ask(Question(question, ("team",))) for question in QUESTIONS]
    engine.rate(Rating(answers[2].id, "down", author="marta"))
    engine.propose(
        Rating(answers[2].id, "down", "47,700 euros: 3,100 were found in October.", author="Marta Silva"),
        proposal_id="p1",
    )
    rng, now = random.Random(7), time.time()
    engine.insight.note(
        [_asked(rng, now, day, answers) for day in range(30) for _ in range(rng.randint(2, 16))]
    )
    return [answer.citations[0].link.removeprefix(PUBLIC) for answer in answers[:2]]


def _asked(rng, now, day, answers):
    answer = answers[min(int(rng.expovariate(0.3)), len(answers) - 1)]
    cached, total = rng.random() < 0.3, rng.lognormvariate(5.2, 0.5)
    timings = {"search": 0.4 * total, "generate": 0.2 * total, "ground": 0.4 * total, "total": total}
    return Asked(
        now - day * 86_400 - rng.random() * 30_000,
        answer.id,
        "team",
        answer.abstained,
        cached,
        {"total": 4.0} if cached else timings,
    )


def _draw(address, links, key, folder):
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path, width, height, colours in (
            ("pages-source.png", links[0].removesuffix("#quote"), 900, 900, "light"),
            ("pages-phone.png", links[1], 390, 780, "dark"),
            ("pages-inside.png", "/admin/in/team", 1_000, 1_450, "light"),
            ("pages-corrections.png", "/admin/in/team/corrections", 1_000, 610, "dark"),
        ):
            context = browser.new_context(
                base_url=address, viewport={"width": width, "height": height}, color_scheme=colours
            )
            tab = context.new_page()
            if path.startswith("/admin"):
                tab.goto("/admin")
                tab.fill("#key", key)
                tab.click("button")
            tab.goto(path, wait_until="load")
            with Image.open(BytesIO(tab.screenshot())) as picture:
                picture.convert("RGB").quantize(COLOURS).save(folder / name, optimize=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
