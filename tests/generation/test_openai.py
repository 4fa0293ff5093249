"""Models behind a server: `transformers serve` with a tiny Idefics3, and servers that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmrag.config import Settings
from mmrag.doctor import list_settings
from mmrag.errors import GenerationFailed, InvalidSettings
from mmrag.generation.choice import choose_generator
from mmrag.generation.openai_api import OpenAIGenerator, OpenAIOptions, data_url
from mmrag.generation.spending import Prices, Spending
from mmrag.types import Chunk, Hit, Picture, Prompt
from tests.generation.checkpoints import make_checkpoint
from tests.generation.pictures import noise
from tests.machine import free_port

KEY = "sk-canary-5f1d"


@pytest.fixture(scope="module")
def real_server(tmp_path_factory):
    """The address of `transformers serve`, and the name of its model."""
    folder = tmp_path_factory.mktemp("server")
    checkpoint = make_checkpoint("idefics3", folder / "idefics3")
    port = free_port()
    command = ["-m", "transformers.cli.transformers", "serve", str(checkpoint)]
    address = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, *command, *address], env=quiet, stdout=log, stderr=log)
    try:
        _until_it_answers(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield f"http://127.0.0.1:{port}/v1", str(checkpoint)
    finally:
        server.terminate()
        server.wait(20)


def _until_it_answers(address, server, log):
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server on the loopback
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)  # until the port is open there is nothing else to wait for


def prompt(pictures=0):
    text = "Revenue rose to 42 million in Q3 2024."
    hits = (Hit(Chunk(1, "d", 1, 0, len(text), text), "Report", "test", 1, 1.0, ("bm25",)),)
    return Prompt("What is revenue?", hits, (), tuple(Picture(f"{at}", noise(at)) for at in range(pictures)))


def generator_at(address, *, model="m", seconds=20.0, spending=None):
    options = OpenAIOptions(model, address, read_tokens=2_000, most_tokens=12, seconds=seconds)
    return OpenAIGenerator(options, key=KEY, spending=spending)


def test_a_real_server_streams_an_answer_with_and_without_pictures(real_server):
    generator = generator_at(real_server[0], model=real_server[1])
    said = {}
    for pictures in (0, 1, 2):
        ending = []
        pieces = list(generator.texts(prompt(pictures), ending))
        assert len(pieces) > 1
        assert ending
        said[pictures] = "".join(pieces)
        assert "".join(generator.texts(prompt(pictures), [])) == said[pictures]
    assert len(set(said.values())) > 1  # pictures arrive


def test_the_settings_choose_a_server_and_a_draft_comes_of_it(real_server):
    settings = Settings(openai_base_url=real_server[0], generator_model=real_server[1], generator_tokens=12)
    generator, reason = choose_generator(settings, None)
    assert (generator.name, reason) == ("openai", "a server or its key is set")
    assert isinstance(generator.generate(prompt(1)).claims, tuple)


class Scripted(BaseHTTPRequestHandler):
    """A server that answers each request as its script says, and keeps what it was asked."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.server.script(self, asked)

    def log_message(self, *_):
        """Say nothing."""

    def fails(self, status, message="no", param=None):
        body = json.dumps({"error": {"message": message, "param": param, "code": None}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("retry-after-ms", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def streams(self, *texts, ending="stop"):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for text in texts:
            self.chunk({"content": text})
        if ending:
            self.chunk({}, ending)
            self.wfile.write(b"data: [DONE]\n\n")

    def chunk(self, delta, ending=None, usage=None):
        choice = {"index": 0, "delta": delta, "finish_reason": ending}
        body = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        body |= {"usage": usage} if usage else {}
        self.wfile.write(f"data: {json.dumps(body)}\n\n".encode())
        self.wfile.flush()


@contextmanager
def scripted(script):
    """A server on the loopback; its address and what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.script, server.asked = script, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_draft_is_what_the_server_says_and_the_pictures_travel_as_data_urls():
    with scripted(lambda reply, _: reply.streams("Revenue is ", "42 million [1]. It", " rose.")) as (
        address,
        asked,
    ):
        draft = generator_at(address).generate(prompt(2))
    assert [claim.text for claim in draft.claims] == ["Revenue is 42 million.", "It rose."]
    content = asked[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    assert content[0]["image_url"]["url"] == data_url(Picture("0", noise(0)))
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_an_answer_that_was_cut_off_loses_its_last_sentence():
    with scripted(lambda reply, _: reply.streams("It rose. It fell by", ending="length")) as (address, _):
        assert [claim.text for claim in generator_at(address).generate(prompt()).claims] == ["It rose."]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "refused the key"),
        (404, "does not know this model"),
        (429, "overloaded"),
        (500, "status 500"),
    ],
)
def test_a_server_that_refuses_is_explained_and_its_words_are_not_repeated(status, says):
    with scripted(lambda reply, _: reply.fails(status, f"secret {KEY}")) as (address, asked):
        with pytest.raises(GenerationFailed, match=says) as failure:
            generator_at(address).generate(prompt())
        assert KEY not in str(failure.value)
        assert "secret" not in str(failure.value)
        assert len(asked) == (3 if status >= 429 else 1)  # tried again where that can help


def test_a_server_that_hangs_is_given_up_in_time():
    go_on = threading.Event()
    with scripted(lambda *_: go_on.wait(30)) as (address, _):
        begun = time.monotonic()
        with pytest.raises(GenerationFailed, match="in time"):
            generator_at(address, seconds=0.3).generate(prompt())
        assert time.monotonic() - begun < 10
        go_on.set()


def test_a_server_that_trickles_is_given_up_at_the_deadline():
    gone = threading.Event()

    def trickle(reply, _):
        reply.streams("a ", ending=None)
        while not gone.wait(0.02):
            try:
                reply.chunk({"content": "a "})
            except OSError:
                return

    with scripted(trickle) as (address, _):
        with pytest.raises(GenerationFailed, match="in time"):
            generator_at(address, seconds=0.5).generate(prompt())
        gone.set()


def test_no_server_at_all_is_explained():
    with scripted(lambda *_: None) as (address, _):
        pass
    with pytest.raises(GenerationFailed, match="cannot be reached"):
        generator_at(address).generate(prompt())


def test_a_parameter_that_a_server_does_not_know_is_left_out_from_then_on():
    def strict(reply, asked):
        if "temperature" in asked:
            reply.fails(400, "Unsupported value: 'temperature' does not support 0.", "temperature")
        else:
            reply.streams("It rose.")

    with scripted(strict) as (address, asked):
        generator = generator_at(address)
        for _ in range(2):
            assert generator.generate(prompt()).claims
        assert ["temperature" in each for each in asked] == [True, False, False]


def test_beyond_the_days_limit_nothing_is_asked(tmp_path):
    day = ["2026-01-01"]

    def spending():
        prices = Prices(read=0, written=1_000_000)  # a dollar a token
        return Spending(tmp_path / "spending.json", dollars_a_day=30, prices=prices, today=lambda: day[0])

    with scripted(lambda reply, _: reply.streams("It rose.")) as (address, asked):
        for _ in range(2):  # 12 tokens each, reserved and, without usage in the reply, kept
            assert generator_at(address, spending=spending()).generate(prompt()).claims
        with pytest.raises(GenerationFailed, match="today's limit of 30 dollars is reached"):
            generator_at(address, spending=spending()).generate(prompt())
        assert len(asked) == 2
        day[0] = "2025-12-31"  # a clock that is set back
        with pytest.raises(GenerationFailed, match="limit"):
            generator_at(address, spending=spending()).generate(prompt())
        day[0] = "2026-01-02"
        assert generator_at(address, spending=spending()).generate(prompt()).claims


def test_what_the_server_counted_is_what_is_spent(tmp_path):
    def counted(reply, _):
        reply.streams("It rose.", ending=None)
        usage = {"prompt_tokens": 700, "completion_tokens": 3, "total_tokens": 703}
        reply.chunk({}, "stop", usage)

    spending = Spending(tmp_path / "spending.json", dollars_a_day=1, prices=Prices(read=2, written=10))
    with scripted(counted) as (address, _):
        generator_at(address, spending=spending).generate(prompt())
    assert spending.spent() == pytest.approx((700 * 2 + 3 * 10) / 1e6)


def test_spending_is_counted_together_and_a_damaged_record_stops_it(tmp_path):
    file = tmp_path / "spending.json"

    def spend():
        each = Spending(file, dollars_a_day=0, prices=Prices(read=1_000_000, written=0))
        for _ in range(20):
            each.settle(each.reserve(3, 0), 2, 0)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = Spending(file, dollars_a_day=1_000, prices=Prices(read=1, written=1))
    assert kept.spent() == 160
    file.write_text("{}")
    with pytest.raises(GenerationFailed, match="damaged: delete it"):
        kept.reserve(1, 1)


def test_the_key_is_masked_wherever_settings_are_shown():
    settings = Settings(openai_api_key=KEY)
    assert KEY not in repr(settings)
    assert KEY not in json.dumps(list_settings(settings))


def test_a_limit_without_prices_is_refused():
    settings = Settings(generator="openai", generator_model="m", openai_dollars_a_day=1)
    with pytest.raises(InvalidSettings, match="set openai_price_read and openai_price_written"):
        choose_generator(settings, None)
