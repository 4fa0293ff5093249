"""Pages and files of the web, fetched because somebody gave their link.

Only what the link's address may reach is reached (see `addresses`): the check is made on the very address
that a socket is about to connect to, for each redirect anew, so a name that resolves otherwise the second
time leads nowhere else. Nothing of ours goes along: no cookie, no password, no proxy of the environment. Size
(unpacked), time, silence and redirects are bounded. What a page is, the engine's reader finds out.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
import socket
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from yarl import URL

from bots.addresses import Reach
from bots.downloads import check_size, read_within
from mmrag import __version__
from mmrag.errors import InvalidInput, NotReadable
from mmrag.text.display import one_line, shorten
from mmrag.types import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiohttp.abc import AbstractResolver

HEADERS = {
    "User-Agent": f"mmrag/{__version__} (a chat bot; a person gave it this link)",
    "Accept": "text/html, application/pdf, */*;q=0.8",
}
MOST_LINK_CHARS = 4_000
MOST_REDIRECTS = 10
MOST_HEADER_BYTES = 1 << 16
WHOLE_SECONDS = 60.0
IDLE_SECONDS = 15.0
RETRY_WAITS_SECONDS = (0.5, 1.5)
NAME_CHARS = 120

_PERMANENT, _TEMPORARY = {301, 308}, {302, 303, 307}
_AWAY = {500, 502, 503, 504}
# What tells senders apart, or lets in whoever holds the link for a while: neither names a page.
_PASSING = re.compile(
    r"(?i)(?:utm_|x-amz-|x-goog-|(?:fb|g|ms|dc|tw)clid=|mc_[ce]id=|_hs(?:enc|mi)=|igshid="
    r"|(?:ex|is)=[0-9a-f]{8}\b|hm=[0-9a-f]{64}\b)"
)
_ANYTHING = "application/octet-stream"
_HTML_TYPES, _HTML_NAMES = {"text/html", "application/xhtml+xml"}, {".html", ".htm", ".xhtml"}
# Of those that a header may name, the ones that text of the web is in: others cost a decoder, or are none.
_LEGACY = re.compile(
    r"(?i)(?:iso-8859-\d+|windows-\d+|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-(?:jp|kr)|iso-2022-jp)"
)
_NOT_LEGACY = (b"%PDF-", b"\xff\xfe", b"\xfe\xff")  # whatever the header says

_SIGN_IN = frozenset(
    """adfs authorize cas log-in login logon oauth oauth2 openid-connect saml saml2 servicelogin sign-in
    sign_in signin sso wp-login""".split()
)
_SIGN_IN_HOSTS = _SIGN_IN | {"accounts", "auth", "id", "idp"}
_PASSWORD = re.compile(rb"(?i)<input\b[^<>]{0,500}\btype\s*=\s*[\"']?password")
_UNSEEN = re.compile(rb"(?is)<(script|style|svg)\b[^>]*(?:>|\Z).*?(?:</\1\b|\Z)|<[^>]*(?:>|\Z)")
MOST_SIGN_IN_BYTES, MOST_SIGN_IN_CHARS = 1 << 19, 1_200  # of a page; of its words

_ASKS = "It asks for a sign-in, and I open links as nobody: save it as a file and attach that."


class Fetcher:
    """Fetches within `reach`, at most `most_bytes` of a link; asking again after these `waits`.

    `resolver` makes what looks names up.
    """

    def __init__(
        self,
        reach: Reach | None = None,
        *,
        most_bytes: int,
        whole_seconds: float = WHOLE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        waits: Sequence[float] = RETRY_WAITS_SECONDS,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._reach = reach or Reach()
        self._most_bytes = most_bytes
        self._whole_seconds = whole_seconds
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=idle_seconds, sock_read=idle_seconds)
        self._waits = waits
        self._resolver = resolver

    async def fetch(self, link: str) -> tuple[Source, ...]:
        """What a link leads to, known by its address. Raises InvalidInput, NotReadable with what to do."""
        if len(link) > MOST_LINK_CHARS:
            raise InvalidInput(f"The link is too long: at most {MOST_LINK_CHARS:,} characters are read.")
        asked = _parsed(link if "://" in link else f"https://{link}")
        try:
            async with asyncio.timeout(self._whole_seconds):
                return (await self._patiently(asked),)
        except TimeoutError:
            raise NotReadable(
                f"It did not arrive within {self._whole_seconds:g} seconds: download it and attach the file."
            ) from None

    async def _patiently(self, asked: URL) -> Source:
        for wait in self._waits:
            try:
                return await self._follow(asked)
            except _AwayError:
                await asyncio.sleep(wait)
        try:
            return await self._follow(asked)
        except _AwayError as away:
            raise NotReadable(str(away)) from None

    async def _follow(self, asked: URL) -> Source:
        """Along the redirects. The page goes by the address that it is to be found at for good."""
        at = known_by = asked
        for _ in range(MOST_REDIRECTS + 1):
            async with self._opened(at) as response:
                location = response.headers.get("Location")
                if response.status in _PERMANENT | _TEMPORARY and location is not None:
                    moved = at == known_by and response.status in _PERMANENT
                    at = _parsed(location, within=at)
                    if moved:
                        known_by = at
                    continue
                if at != known_by and _leads_to_sign_in(known_by, at):
                    raise NotReadable(_ASKS)
                _check_status(response)
                check_size(response.content_length or 0, self._most_bytes)
                data = await read_within(response, self._most_bytes)
                return await asyncio.to_thread(_source, response, data, known_by)
        raise NotReadable("It leads from one address to the next without an end: check the link.")

    @contextlib.asynccontextmanager
    async def _opened(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request on a connection of its own. Raises NotReadable, _AwayError."""

        def socket_to(info: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
            family, kind, protocol, _, (address, port, *_) = info
            if not self._reach.permits(url.raw_host or "", address, port):
                raise _OutOfReachError
            return socket.socket(family, kind, protocol)

        try:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver(), use_dns_cache=False, force_close=True, socket_factory=socket_to
            )
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers=HEADERS,
                    timeout=self._timeout,
                    max_line_size=MOST_HEADER_BYTES,
                    max_field_size=MOST_HEADER_BYTES,
                ) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                yield response
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise _told(error) from None


class _OutOfReachError(OSError):
    """An address that is not to be connected to."""


class _AwayError(Exception):
    """It may come when it is asked for again; the text says what is wrong."""


def _told(error: Exception) -> Exception:  # noqa: PLR0911 - a table of what goes wrong
    """What a person can do about it."""
    match error:
        case aiohttp.ClientConnectorDNSError() | UnicodeError():
            return NotReadable("There is no site of this name: check the link.")
        case aiohttp.ClientConnectorCertificateError():
            return NotReadable("The certificate of its site is not valid: download it and attach the file.")
        case aiohttp.ClientConnectorError(os_error=_OutOfReachError()):
            return NotReadable(
                "Its address is not one of the public web's: attach the file, or have the site allowed by "
                "MMRAG_BOT_LINK_HOSTS."
            )
        case aiohttp.InvalidURL():
            return InvalidInput("This is not an address of the web: check the link.")
        case TimeoutError():
            return NotReadable("Its site does not answer: try it later, or attach the file.")
        case aiohttp.ClientResponseError():
            return NotReadable("Its site answers, but not as the web does: download it and attach the file.")
        case _:
            return _AwayError("The connection to its site broke: try it later, or attach the file.")


# ------------------------------------------------------------------------- addresses


def _parsed(text: str, *, within: URL | None = None) -> URL:
    """A link as the HTTP client understands it too. Raises InvalidInput."""
    try:
        url = URL(text) if within is None else within.join(URL(text))
    except ValueError:
        raise InvalidInput("This is not an address of the web: check the link.") from None
    if url.scheme not in ("http", "https"):
        raise InvalidInput("Only links that begin with http:// or https:// are opened: attach the file.")
    if not url.raw_host:
        raise InvalidInput("This link names no site: check it.")
    if url.raw_user is not None or url.raw_password is not None:
        raise InvalidInput("There is a name or a password in the link: nobody should give those to me.")
    return url.with_fragment(None)


def address_of(url: URL) -> str:
    """What a page is known by: the same for every link to it, and what a citation opens."""
    parts = urlsplit(str(url))
    query = "&".join(pair for pair in parts.query.split("&") if not _PASSING.match(pair))
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in (401, 403, 407):
        raise NotReadable(_ASKS)
    if status in (404, 410):
        raise NotReadable(f"There is no such page (its site answers {status}): check the link.")
    if status in _AWAY and "Retry-After" not in response.headers:
        raise _AwayError(f"Its site is out of order (it answers {status}): try it later.")
    if status in _AWAY or status == 429:  # noqa: PLR2004 - HTTP's own
        raise NotReadable(f"Its site answers nobody for now ({status}): try it later.")
    if status not in (200, 203):
        raise NotReadable(f"Its site does not give it out (it answers {status}): attach the file.")


def _leads_to_sign_in(asked: URL, at: URL) -> bool:
    """Whether a redirect for now went to where people sign in, and the link itself was not about that."""
    words = {PurePath(part).stem.casefold() for part in at.parts} & _SIGN_IN
    elsewhere = at.host != asked.host and (at.host or "").split(".")[0] in _SIGN_IN_HOSTS
    return elsewhere or bool(words - {PurePath(part).stem.casefold() for part in asked.parts})


# ----------------------------------------------------------------------------- pages


def _source(response: aiohttp.ClientResponse, data: bytes, known_by: URL) -> Source:
    """A page or file as it goes into the knowledge base. Raises NotReadable where it is a sign-in page."""
    is_html = response.content_type in _HTML_TYPES
    if is_html and _is_sign_in(data):
        raise NotReadable(_ASKS)
    if is_html or response.content_type.startswith("text/"):
        data = _as_unicode(data, response.charset)
    return Source(_name(response, known_by), data, address_of(known_by))


def _is_sign_in(data: bytes) -> bool:
    """A field for a password, and little else to read."""
    if len(data) > MOST_SIGN_IN_BYTES or not _PASSWORD.search(data):
        return False
    return len(b" ".join(_UNSEEN.sub(b" ", data).split())) <= MOST_SIGN_IN_CHARS


def _as_unicode(data: bytes, charset: str | None) -> bytes:
    """Text in UTF-8 where only the header tells what it is in; the bytes themselves where they tell more."""
    if charset is None or not _LEGACY.fullmatch(charset) or data.startswith(_NOT_LEGACY):
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return data.decode(charset).encode()
    return data


def _name(response: aiohttp.ClientResponse, known_by: URL) -> str:
    """A file's name: what its site or its address calls it, ending as its type does.

    The reader tells texts apart by it, and it is the title of what has none.
    """
    given = response.content_disposition.filename if response.content_disposition else None
    called = PurePath(one_line(given or known_by.path).replace("\\", "/")).name
    name = shorten(called or known_by.host or "page", NAME_CHARS)
    suffix = PurePath(called).suffix.casefold()
    if response.content_type in _HTML_TYPES:
        return name if suffix in _HTML_NAMES else f"{name}.html"
    if suffix or response.content_type == _ANYTHING:
        return name
    return f"{name}{mimetypes.guess_extension(response.content_type) or ''}"
