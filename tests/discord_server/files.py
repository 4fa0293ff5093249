"""The CDN: signed addresses that expire, and getting new ones."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import parse_qs, quote, urlsplit

from aiohttp import web

from tests.chat_servers.half import half_sent
from tests.discord_server.api import route
from tests.discord_server.rules import Check

VALID_SECONDS = 24 * 3600
GONE = "This content is no longer available."


class Cdn:
    """Signs the addresses of attachments, and serves them as long as they hold."""

    def __init__(self, server):
        self._server = server
        self._key = secrets.token_bytes(32)
        self.valid_seconds = VALID_SECONDS

    def url(self, attachment, *, proxy=False):
        """An address that works for a day. Ephemeral attachments have a path of their own."""
        place = "ephemeral-attachments" if attachment.ephemeral else "attachments"
        path = f"/{place}/{attachment.channel}/{attachment.id}/{quote(attachment.filename)}"
        now = int(self._server.clock.now())
        begins, ends = f"{now:x}", f"{now + self.valid_seconds:x}"
        query = f"?ex={ends}&is={begins}&hm={self._signature(path, begins, ends)}&"
        return f"{self._server.base}{'/media' if proxy else ''}{path}{query}"

    def _signature(self, path, begins, ends):
        return hmac.new(self._key, f"{path} {begins} {ends}".encode(), hashlib.sha256).hexdigest()

    def _holds(self, path, query):
        given = {key: query.get(key, "") for key in ("ex", "is", "hm")}
        right = self._signature(path, given["is"], given["ex"])
        if not hmac.compare_digest(right.encode(), given["hm"].encode()):
            return False
        return self._server.clock.now() < int(given["ex"], 16)

    async def serve(self, request):
        """An attachment's bytes; 404 and a sentence once its address no longer holds."""
        path = quote(request.path.removeprefix("/media"))
        kept = self._server.world.attachments.get(request.match_info["id"])
        if kept is None or kept.gone or not self._holds(path, request.query):
            return web.Response(status=404, text=GONE)
        if kept.cut_after is not None:
            return await half_sent(request, kept.data, content_type=kept.content_type, sent=kept.cut_after)
        return web.Response(body=kept.data, content_type=kept.content_type)

    def of(self, url):
        """The attachment of an address, however old, or None."""
        parts = urlsplit(url)
        names = parts.path.removeprefix("/media").strip("/").split("/")
        signed = {"ex", "is", "hm"} <= parse_qs(parts.query).keys()
        return self._server.world.attachments.get(names[2]) if len(names) == 4 and signed else None


@route("POST", "/attachments/refresh-urls", limit=(50, 1.0))
async def refresh_urls(call):
    """New addresses for old ones; what is no attachment comes back as it is."""
    check = Check()
    urls = check.count("attachment_urls", call.body.get("attachment_urls"), most=50, least=1)
    check.done()
    answers = []
    for url in urls:
        kept = call.server.cdn.of(url)
        answers.append({"original": url, "refreshed": call.server.cdn.url(kept) if kept else url})
    return {"refreshed_urls": answers}
