"""HTML for people: templates, the assets they use, and headers that let nothing else act.

No page holds a program, and none may load one: `default-src 'none'`. Addresses carry what a link allows, so
no page tells another site where somebody came from, and none is kept by caches between.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from mmrag.text.display import neutralise, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmrag.config import Settings

ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
ASSETS_PATH = "/assets"
YEAR_SECONDS = 365 * 24 * 3600

SECURITY = {  # beside what the gate says of every reply
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PRIVATE = {"Cache-Control": "private, no-store"}
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"

router = APIRouter(include_in_schema=False)


@router.api_route(f"{ASSETS_PATH}/{{name}}", methods=["GET", "HEAD"])
def asset(name: str) -> Response:
    """A file that every page uses."""
    if name not in ASSETS:
        return file(b"", "text/plain", status=404)
    kept = {"Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable"}
    return file(_asset(name), ASSETS[name], headers=kept)


def page(
    template: str,
    settings: Settings,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,  # noqa: ANN401 - whatever the template shows
) -> HTMLResponse:
    """A template filled in. All text in it is escaped."""
    html = _environment().get_template(template).render(base=base_path(settings), **values)
    sent = SECURITY | PRIVATE | {"Content-Security-Policy": PAGE_POLICY} | dict(headers or {})
    return HTMLResponse(html, status_code=status, headers=sent)


def file(
    data: bytes, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Foreign bytes, which a browser must take for nothing but what they are said to be."""
    sent = SECURITY | PRIVATE | {"Content-Security-Policy": FILE_POLICY} | dict(headers or {})
    return Response(data, status_code=status, media_type=media_type, headers=sent)


def base_path(settings: Settings) -> str:
    """What stands before every path where a proxy serves it below another site."""
    return urlsplit(settings.public_url).path.rstrip("/")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mmrag.service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": neutralise,
        "line": one_line,
        "day": _day,
        "moment": _moment,
        "ms": duration,
    }
    environment.globals["asset"] = lambda name: f"{ASSETS_PATH}/{name}?{_version(name)}"
    return environment


def _day(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _moment(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def duration(milliseconds: float) -> str:
    """A time as people read it: "4 ms", "1.2 s"."""
    seconds = milliseconds / 1000
    return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


@cache
def _asset(name: str) -> bytes:
    return files("mmrag.service").joinpath("assets", name).read_bytes()


@cache
def _version(name: str) -> str:
    """Changes with the file, so that browsers may keep it for ever."""
    return hashlib.blake2b(_asset(name), digest_size=6).hexdigest()
