"""Promise: of an upload that is cut off, by whichever side, nothing half is there.

A service in a process of its own takes in uploads of several files; it is killed with `kill -9` at a random
moment, or the client breaks off. Afterwards each document that is there must be whole, with all of its
pages' text, and each whose upload was acknowledged must be there; no file of the upload may be left in the
folder of temporary files. A trial is a kill or a broken upload.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine, open_store

TRIALS = 40
_FILES, _PARAGRAPHS = 4, 60
ROOT = Path(__file__).parents[2]
_SERVE = """
import sys
from pathlib import Path
from mmrag.config import Settings
from mmrag.service.server import bind, serve, url_of
from tests.trust.parts import EMBEDDER, open_engine
settings = Settings(home=Path(sys.argv[1]), serve_port=0)
listening = bind(settings)
with open_engine(settings.home, EMBEDDER) as engine:
    serve(engine, settings, listening, ready=lambda: print(url_of(listening), flush=True))
"""


def run(trials, seed, folder):
    """Cut off so many uploads."""
    rng = random.Random(seed)
    acknowledged = {}
    with trial_run(seed) as outcome:
        (folder / "temporary").mkdir()
        service = _Service(folder)
        try:
            for trial in range(trials):
                outcome.trials += 1
                if rng.random() < 0.5:
                    outcome.count("kills")
                    _killed(service, rng, trial, acknowledged)
                    service = _Service(folder)
                else:
                    outcome.count("uploads that broke off")
                    _broken(service, rng, trial)
        finally:
            service.stop()
        _check(folder, acknowledged, outcome)
    return outcome


class _Service:
    """A service in a process."""

    def __init__(self, folder):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(folder / "home")],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder / "temporary")},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the service did not start"

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def stop(self):
        self._process.terminate()
        self._process.wait(60)
        self._process.stdout.close()


def _text(trial, number):
    return "".join(f"Paragraph {n} of file {number} of upload {trial}.\n\n" for n in range(_PARAGRAPHS))


def _files(trial):
    return [
        ("file", (f"{trial}-{number}.txt", _text(trial, number).encode() + b" " * 300_000))
        for number in range(_FILES)
    ]


def _killed(service, rng, trial, acknowledged):
    """Upload, and kill the service somewhere between the beginning and a while after."""
    replied = []

    def upload():
        with (
            suppress(httpx2.HTTPError),
            httpx2.Client(base_url=service.url, trust_env=False, timeout=60) as http,
        ):
            replied.extend(http.post("/v1/documents", files=_files(trial)).json()["outcomes"])

    uploading = threading.Thread(target=upload)
    uploading.start()
    time.sleep(rng.uniform(0, 1.5))  # the moment is what varies
    service.kill()
    uploading.join()
    for outcome in replied:
        acknowledged[outcome["document_id"]] = outcome["path"]


def _broken(service, rng, trial):
    """Send a share of an upload, and leave."""
    request = httpx2.Request("POST", f"{service.url}/v1/documents", files=_files(trial))
    body = request.read()
    head = [f"POST /v1/documents HTTP/1.1\r\nHost: {request.url.netloc.decode()}\r\n"]
    head += [f"{name}: {request.headers[name]}\r\n" for name in ("content-type", "content-length")]
    with socket.create_connection((request.url.host, request.url.port)) as connection, suppress(OSError):
        connection.sendall("".join([*head, "\r\n"]).encode())
        connection.sendall(body[: rng.randrange(len(body))])


def _check(folder, acknowledged, outcome):
    left = [path.name for path in (folder / "temporary").rglob("*") if path.is_file()]
    outcome.check(not left, f"left in the temporary folder: {left}")
    with open_engine(folder / "home", EMBEDDER) as engine:
        there = engine.documents()
    outcome.count("whole documents", len(there))
    outcome.count("acknowledged", len(acknowledged))
    with open_store(folder / "home") as store:
        for document in there:
            trial, number = Path(document.uri.removeprefix("upload:")).stem.split("-")
            page = store.page(document.id, 1) or ""
            outcome.check(page.strip() == _text(trial, number).strip(), f"{document.uri} is not whole")
    missing = set(acknowledged) - {document.id for document in there}
    outcome.check(not missing, f"acknowledged and not there: {len(missing)}")
