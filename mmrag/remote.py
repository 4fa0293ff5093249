"""The engine of another process, over HTTP. Implements `ports.EngineClient`; it needs no model and no torch.

Every change carries an idempotency key, so what broke off may be sent again: the engine does it once. A
question comes as events, which tell the stages and show that the engine is alive; whoever stops listening
withdraws it.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args
from urllib.parse import quote, urlsplit

import httpx2

from mmrag import wire
from mmrag.errors import (
    EngineUnavailable,
    InvalidInput,
    InvalidSettings,
    MmragError,
    NotAllowed,
    NotFound,
    UserFacingError,
)
from mmrag.ports import unheard
from mmrag.types import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from mmrag.ports import Listener, SaidListener
    from mmrag.types import (
        AddReport,
        Answer,
        Document,
        Question,
        Rating,
        RatingReceipt,
        Said,
        SearchResult,
        Source,
    )

T = TypeVar("T")

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_PROBE_SECONDS = 1.0
_SILENT_SECONDS = 60.0  # a stream gives a sign of life every 15
_WORKING_SECONDS = 120.0  # for what comes without signs of life: a long list, a removal that waits for others
_KEPT_SECONDS = (
    60.0  # an idle connection, less than the service keeps it: else the next request may break off
)
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # seconds between tries
_MOST_BROKEN = 3  # times that work was begun and broke off: perhaps it is what brings the engine down
_NOT_NOW = frozenset({"overloaded", "too-many", "engine-unavailable"})
_PROXY_SAYS_AWAY = frozenset({502, 503, 504})
# Shown where people chat: without the address, which is for whoever runs the bot.
_IS_AWAY = "The engine can't be reached just now, so nothing was done: please try again in a few minutes."
_BROKE_OFF = "The connection to the engine broke off: please try again in a few minutes."
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class _Away(Exception):
    """The engine can't be had at the moment; `sentence` says so to a person."""

    def __init__(self, sentence: str, *, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.wait = wait


class EngineFault(MmragError):
    """Something broke in the engine that nobody foresaw; its log has the reference that ours has."""


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    data: Any  # JSON


class _Saying:
    """Hands on what is said, once, though a question that broke off is answered again from the beginning."""

    def __init__(self, listener: SaidListener) -> None:
        self._listener = listener
        self._said: list[str] = []
        self._heard = 0  # in this attempt
        self._differs = False  # what is said now is not what was said before: only the end counts

    def begin(self) -> None:
        """The question is asked, or asked again."""
        self._heard = 0

    def hear(self, sentence: Said) -> None:
        known = self._said[self._heard : self._heard + 1]
        self._heard += 1
        self._differs = self._differs or known not in ([], [sentence.text])
        if not known and not self._differs:
            self._said.append(sentence.text)
            self._listener(sentence)


class RemoteEngine:
    """The engine at `url`. Safe to use from many threads.

    While it is away every call tries again for `patience_seconds`, and then raises EngineUnavailable.
    Raises InvalidInput where `url` is no address of a service, InvalidSettings where `key` can't be one.
    """

    def __init__(self, url: str, *, key: str = "", patience_seconds: float = 20) -> None:
        self._url = _checked(url)
        self._patience = patience_seconds
        if not (key.isascii() and key.isprintable()):
            raise InvalidSettings(
                "MMRAG_ENGINE_KEY is no API key: give it as `mmrag keys add NAME` shows it, on one line."
            )
        if key and urlsplit(self._url).scheme == "http" and urlsplit(self._url).hostname not in _LOCAL:
            _log.warning("The engine is asked over http: its key and all texts can be read on the way.")
        self._http = httpx2.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(_WORKING_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(keepalive_expiry=_KEPT_SECONDS),
            trust_env=False,  # the key and what is asked go to this address only, never to a proxy
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def probe(self) -> None:
        """Ask once whether all is in order, so that a wrong address or key is known at the start.

        Raises InvalidSettings. An engine that is away is only noted: it may come.
        """
        try:
            with self._sentences():
                reply = self._http.get(
                    "v1/collections", timeout=httpx2.Timeout(_CONNECT_SECONDS, connect=_PROBE_SECONDS)
                )
                self._taken(reply)
        except _Away as away:
            _log.warning("%s: %s", self._url, away.sentence)
        except UserFacingError as error:
            raise InvalidSettings(f"--engine {self._url}: {error}") from None

    # ---------------------------------------------------------------- EngineClient

    def ask(
        self, question: Question, *, listener: Listener | None = None, said: SaidListener | None = None
    ) -> Answer:
        parts = self._question_parts(wire.question_to_json(question), question)
        saying = _Saying(said or unheard)

        def heard(event: _Event) -> Answer | None:
            if event.name == "answer":
                return wire.answer_from_json(event.data)
            if listener is not None and event.name == "progress":
                for stage in get_args(Stage):
                    if stage == event.data["stage"]:  # newer engines may tell of others
                        listener(stage)
            if event.name == "claim" and "answer_id" in event.data:  # older engines name none
                saying.hear(wire.said_from_json(event.data))
            return None

        def attempt(headers: Mapping[str, str]) -> Answer:
            saying.begin()
            return self._streamed("v1/ask", headers, heard, **parts)

        return self._until(attempt)

    def search(self, question: Question, *, k: int = 10) -> SearchResult:
        parts = self._question_parts(wire.question_to_json(question) | {"k": k}, question)
        return self._called(wire.search_from_json, "POST", "v1/search", **parts)

    def add(self, source: Source, *, collection: str) -> AddReport:
        texts = {"collection": collection, "name": source.name, "uri": source.uri}
        if source.title is not None:
            texts["title"] = source.title
        if source.added_by:
            texts["added_by"] = source.added_by
        _check_unicode(*texts.values())

        def heard(event: _Event) -> AddReport | None:
            return wire.report_from_json(event.data["outcomes"][0]) if event.name == "done" else None

        return self._until(
            lambda headers: self._streamed(
                "v1/documents", headers, heard, data=texts, files=[("file", ("document", source.data))]
            )
        )

    def documents(self, *, collections: Sequence[str] | None = None) -> tuple[Document, ...]:
        if collections is not None and not collections:
            return ()
        named = {"collection": list(collections or ())}
        return self._called(_documents, "GET", "v1/documents", params=named)

    def remove(
        self, document_ids: Sequence[str], *, collections: Sequence[str] | None = None
    ) -> tuple[Document, ...]:
        body = {
            "document_ids": list(document_ids),
            "collections": None if collections is None else list(collections),
        }
        return self._called(_documents, "POST", "v1/documents/remove", json=body)

    def forget(self, collection: str) -> tuple[Document, ...]:
        return self._called(_documents, "DELETE", f"v1/collections/{quote(collection, safe='')}")

    def share(
        self, document_ids: Sequence[str], *, collections: Sequence[str], into: str
    ) -> tuple[Document, ...]:
        body = {"document_ids": list(document_ids), "collections": list(collections), "into": into}
        return self._called(_documents, "POST", "v1/documents/share", json=body)

    def rate(self, rating: Rating) -> RatingReceipt:
        return self._called(wire.receipt_from_json, "POST", "v1/ratings", json=wire.rating_to_json(rating))

    def propose(self, rating: Rating, *, proposal_id: str) -> None:
        body = {
            "answer_id": rating.answer_id,
            "correction": rating.correction or "",
            "author": rating.author,
            "proposal_id": proposal_id,
        }
        self._called(dict, "POST", "v1/proposals", json=body)

    def decide(self, proposal_id: str, *, approved: bool) -> RatingReceipt:
        path = f"v1/proposals/{quote(proposal_id, safe='')}"
        return self._called(wire.receipt_from_json, "POST", path, json={"approved": approved})

    def withdraw(self, answer_id: str, *, author: str) -> None:
        try:
            path = f"v1/ratings/{quote(answer_id, safe='')}"
            self._called(dict, "DELETE", path, params={"author": author})
        except NotFound:
            return  # nothing was said of it

    def figure(self, name: str, *, collections: Sequence[str]) -> bytes | None:
        if not collections:
            return None
        path = f"v1/figures/{quote(name, safe='')}"

        def attempt(headers: Mapping[str, str]) -> bytes | None:
            with self._sentences():
                reply = self._http.get(path, headers=headers, params={"collection": list(collections)})
                try:
                    return self._taken(reply).content
                except NotFound:
                    return None

        return self._until(attempt)

    # ------------------------------------------------------------------- exchanges

    def _question_parts(self, body: dict[str, Any], question: Question) -> dict[str, Any]:
        """The request: JSON, or with attachments multipart, in which their bytes travel as they are."""
        _check_unicode(json.dumps(body, ensure_ascii=False))
        files = [
            ("attachment", ("attachment", file.data)) for file in question.attachments if file.failure is None
        ]
        if not files:
            return {"json": body}
        text = json.dumps(body, ensure_ascii=False).encode()
        return {"files": [("question", (None, text, "application/json")), *files]}

    def _called(
        self,
        read: Callable[[Any], T],
        method: str,
        path: str,
        **parts: Any,  # noqa: ANN401 - JSON
    ) -> T:
        """What `read` makes of the reply. Raises UserFacingError."""

        def attempt(headers: Mapping[str, str]) -> T:
            with self._sentences():
                return read(self._taken(self._http.request(method, path, headers=headers, **parts)).json())

        return self._until(attempt)

    def _streamed(
        self,
        path: str,
        headers: Mapping[str, str],
        heard: Callable[[_Event], T | None],
        **parts: Any,  # noqa: ANN401 - JSON or files
    ) -> T:
        """The first thing that `heard` makes of an event."""
        headers = {**headers, "Accept": "text/event-stream"}
        timeout = httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
        with (
            self._sentences(),
            self._http.stream("POST", path, headers=headers, timeout=timeout, **parts) as reply,
        ):
            if not reply.is_success:
                reply.read()
            for event in _events(self._taken(reply).iter_lines()):
                if event.name == "error":
                    self._raise(event.data, None)
                result = heard(event)
                if result is not None:
                    return result
        raise _Away(_BROKE_OFF)

    def _until(self, attempt: Callable[[Mapping[str, str]], T]) -> T:
        """Try until it is done, or the engine has been away for too long. Raises UserFacingError."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        away_since: float | None = None
        wait = _FIRST_WAIT
        broken = 0
        while True:
            began = time.monotonic()
            try:
                return attempt(headers)
            except _Away as away:
                now = time.monotonic()
                if away_since is None or now - began > self._patience:
                    away_since, wait = now, _FIRST_WAIT  # it was there until now
                    broken += 1
                pause = away.wait or wait * random.uniform(0.5, 1)  # noqa: S311 - so that not all come at once
                if broken > _MOST_BROKEN or now + pause - away_since > self._patience:
                    raise EngineUnavailable(away.sentence) from None
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _taken(self, reply: httpx2.Response) -> httpx2.Response:
        """The reply if it is a success of an engine that we understand. Raises UserFacingError, _Away."""
        version = reply.headers.get("mmrag-wire")
        if version is None:
            if reply.status_code in _PROXY_SAYS_AWAY:
                raise _Away(_IS_AWAY)
            raise EngineUnavailable("What answers is no mmrag engine: check the address after --engine.")
        if version != str(wire.VERSION):
            raise EngineUnavailable(
                f"The engine speaks version {version[:9]} of the format and this bot {wire.VERSION}: "
                "upgrade the older of the two."
            )
        if not reply.is_success:
            self._raise(reply.json(), reply.headers.get("retry-after"))
        return reply

    def _raise(self, problem: Mapping[str, Any], retry_after: str | None) -> None:
        code, sentence = problem.get("code"), str(problem.get("detail"))
        if code in _NOT_NOW:
            wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
            raise _Away(f"The engine has too much to do: {sentence}", wait=wait)
        if code in ("no-key", "wrong-key"):
            raise NotAllowed(
                "The engine does not know this bot: set MMRAG_ENGINE_KEY to a key that `mmrag keys add NAME` "
                "made there."
            )
        if code == "too-large":
            raise InvalidInput(sentence)
        if code == "unexpected":
            _log.error("%s", sentence)  # it holds the engine's reference, and no text of anybody
            raise EngineFault
        raise wire.error_from_problem(code, sentence)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """What goes wrong on the way, as a sentence for a person."""
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise _Away(_IS_AWAY) from None
        except httpx2.TransportError:
            raise _Away(_BROKE_OFF) from None
        except (
            ValueError,
            LookupError,
            TypeError,
        ):  # what came is no JSON, or not of our form; its text would quote it
            raise EngineUnavailable(
                "What the engine said was not understood: check the address after --engine."
            ) from None


def _checked(url: str) -> str:
    """The address with a slash at its end. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        wrong = (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.port == 0
            or bool(parts.query or parts.fragment or parts.username or parts.password)
        )
    except ValueError:
        wrong = True
    if wrong:
        raise InvalidInput(
            f"{url[:60]!r} is no engine's address: give one such as  --engine http://127.0.0.1:8000"
        )
    return url.rstrip("/") + "/"


def _check_unicode(*texts: str) -> None:
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:  # its text quotes what was sent
        raise InvalidInput(
            "A text or file name holds bytes that are not Unicode: rename the file or save it as UTF-8."
        ) from None


def _documents(reply: Mapping[str, Any]) -> tuple[Document, ...]:
    return tuple(map(wire.document_from_json, reply["documents"]))


def _events(lines: Iterator[str]) -> Iterator[_Event]:
    """Server-sent events with JSON as their data; comments are signs of life."""
    name, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield _Event(name, json.loads(data))
            name, data = "message", ""
        elif line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data += line.removeprefix("data:").strip()
