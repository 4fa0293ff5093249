"""Who follows a link sees what it stands for, and nothing else.

A link opens the document that an answer cites (or, by a setting, the cited page alone): its pages, its
pictures, the file itself where it was kept. Each request opens the link anew, so that none outlives it.
"""

from __future__ import annotations

import functools
import re
import threading
from pathlib import PurePath
from typing import TYPE_CHECKING, ParamSpec
from urllib.parse import quote, urlsplit

from fastapi import APIRouter
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from mmrag import wire
from mmrag.errors import NotFound, StoreUnavailable
from mmrag.links import PATH, ExpiredLinkError, ForgedLinkError
from mmrag.service import html
from mmrag.service.pages.layout import NOTHING, find_quote, lay_out
from mmrag.text.display import one_line
from mmrag.text.words import is_chinese

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmrag.config import Settings
    from mmrag.ports import Cited, ServedEngine, Sources
    from mmrag.types import Document

P = ParamSpec("P")

# What a file may be said to be; all else is bytes. None of them is shown in the site's own name.
_DOWNLOADS = re.compile(
    r"application/(pdf|zip|vnd\.openxmlformats-officedocument\.[\w.]+)|image/(png|jpeg|webp|gif|tiff|bmp)"
    r"|text/(plain|csv|markdown)"
)
_KINDS = {
    "application/pdf": "PDF",
    "text/html": "Web page",
    "text/markdown": "Markdown",
    "text/plain": "Text",
    "text/csv": "Table",
    "message/rfc822": "Mail",
}
_DRAWN_AT_ONCE = 2  # pages: while files are read they wait, and must not take all threads with them
_DRAWN_WITHIN = 5.0  # seconds until it is another page's turn


def pages_router(engine: ServedEngine, settings: Settings) -> APIRouter:
    """The pages that the links of these settings open."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    pages = _Pages(engine, settings)
    for path, show in (
        ("/{token}", pages.cited),
        ("/{token}/{number:int}", pages.another),
        ("/{token}/picture/{name}", pages.picture),
        ("/{token}/original", pages.original),
        ("/{token}/page/{number:int}", pages.facsimile),
    ):
        router.add_api_route(path, _explained(show, settings), methods=["GET", "HEAD"])
    return router


class _Pages:
    def __init__(self, engine: ServedEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._drawing = threading.BoundedSemaphore(_DRAWN_AT_ONCE)

    def cited(self, token: str) -> Response:
        """The page that is cited."""
        cited = self._sources.follow(token)
        return self._page(token, cited, cited.page)

    def another(self, token: str, number: int) -> Response:
        """Another page of the cited document."""
        cited = self._sources.follow(token)
        if number != cited.page:
            self._check_scope()
        return self._page(token, cited, number)

    def picture(self, token: str, name: str) -> Response:
        """A picture of the cited document."""
        cited = self._sources.follow(token)
        if not self._whole_document:
            page = self._sources.page(cited.document, cited.page)
            if name not in {chunk.image for chunk in page.chunks}:
                raise NotFound("This page has no such picture.")
        data = self._sources.figure(cited.document, name)
        return html.file(data, wire.picture_type(data))

    def original(self, token: str) -> Response:
        """The file that was added, to be saved."""
        cited = self._sources.follow(token)
        self._check_scope()
        original = self._sources.original(cited.document)
        media_type = cited.document.media_type
        return html.file(
            original.data,
            media_type if _DOWNLOADS.fullmatch(media_type) else "application/octet-stream",
            headers={"Content-Disposition": _attachment(original.name)},
        )

    def facsimile(self, token: str, number: int) -> Response:
        """A page as it looks in the file, where that is a PDF and was kept."""
        cited = self._sources.follow(token)
        if number != cited.page:
            self._check_scope()
        if not self._drawing.acquire(timeout=_DRAWN_WITHIN):
            return html.file(b"", "text/plain", status=503, headers={"Retry-After": "5"})
        try:
            quoted = cited.citation.quote if number == cited.page else ""
            picture = self._sources.facsimile(cited.document, number, quote=quoted)
        finally:
            self._drawing.release()
        return html.file(picture, "image/png")

    @property
    def _sources(self) -> Sources:
        return self._engine.sources

    @property
    def _whole_document(self) -> bool:
        return self._settings.link_scope == "document"

    def _check_scope(self) -> None:
        if not self._whole_document:
            raise NotFound("This link opens the cited page only.")

    def _page(self, token: str, cited: Cited, number: int) -> Response:
        document = cited.document
        if not 1 <= number <= document.pages:
            raise NotFound(f"This document has {document.pages} pages, and this is none of them.")
        page = self._sources.page(document, number)
        quote_ = find_quote(page, cited.citation) if number == cited.page else NOTHING
        kept = self._sources.has_original(document)
        return html.page(
            "source.html",
            self._settings,
            here=f"{html.base_path(self._settings)}{PATH}/{token}",
            document=document,
            kind=_kind(document),
            added=document.added_at[:10],
            address=_web_address(document.uri),
            cited=cited,
            number=number,
            earlier=number - 1 if self._whole_document and number > 1 else None,
            later=number + 1 if self._whole_document and number < document.pages else None,
            has_original=self._whole_document and kept,
            facsimile=kept and document.media_type == "application/pdf",
            blocks=lay_out(page, quote_),
            quote=quote_,
            language="zh" if is_chinese(page.text) else "en",
        )


def _explained(show: Callable[P, Response], settings: Settings) -> Callable[P, Response]:
    """Say in a page what went wrong; of a link that was not made here nothing is said but that."""

    def notice(status: int, heading: str, sentence: str) -> Response:
        return html.page("notice.html", settings, status=status, heading=heading, sentence=sentence)

    @functools.wraps(show)
    def explained(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return show(*args, **kwargs)
        except ForgedLinkError:
            return notice(
                404, "This link is not valid", "Was it copied whole? Follow it from the answer again."
            )
        except ExpiredLinkError:
            return notice(
                410, "This link has expired", "Ask the question again: the answer brings a new one."
            )
        except NotFound as gone:
            return notice(410, "There is nothing here any more", str(gone))
        except StoreUnavailable:
            return notice(503, "The documents cannot be read just now", "Try again in a minute.")

    return explained


def _kind(document: Document) -> str:
    media_type = document.media_type
    if document.uri.startswith("correction:"):
        return "Correction"
    if media_type.startswith("image/"):
        return "Picture"
    if "wordprocessing" in media_type:
        return "Word document"
    if "presentation" in media_type:
        return "Slides"
    return "Spreadsheet" if "spreadsheet" in media_type else _KINDS.get(media_type, "Document")


def _web_address(uri: str) -> str | None:
    """The document's own address, where it is one that a browser may follow."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return quote(uri, safe="/:?#[]@!$&'()*+,;=%~")


def _attachment(name: str) -> str:
    """Save as, under this name: without folders or anything that acts (RFC 6266)."""
    bare = one_line(PurePath(name.replace("\\", "/")).name) or "original"
    plain = re.sub(r"[^\w.() -]", "_", bare, flags=re.ASCII)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(bare, safe='')}"
