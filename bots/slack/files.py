"""Files: fetched from Slack's own hosts only, with the token; figures are sent up.

Without the scope `files:read` Slack answers 200 with its sign-in page, so HTML where no HTML file was
announced is refused with the name of the scope. A redirect is followed by hand: the token goes to no
other host.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from bots.downloads import check_size, read_within
from bots.outcomes import RefusedError, UnsureError
from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from bots.figures import Figure
    from bots.slack.web import SlackWeb, Workspaces

Json = dict[str, Any]

SLACK_HOSTS = ("slack.com", "slack-gov.com", "slack-files.com", "slack-files-gov.com")
MOST_REDIRECTS = 3
DOWNLOAD_SECONDS = 120
UPLOAD_SECONDS = 60
TAKING_IN_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)  # between looks whether Slack has taken a file in
FIGURES_REMEMBERED = 1_000
REDIRECTS = {301, 302, 303, 307, 308}


class Files:
    """Downloads and uploads. `api_url` names the host that is Slack here, beside Slack's own."""

    def __init__(
        self, workspaces: Workspaces, session: aiohttp.ClientSession, *, api_url: str, most_bytes: int
    ) -> None:
        self._workspaces = workspaces
        self._session = session
        api = urlsplit(api_url)
        self._trusted = (api.scheme, api.netloc)
        self._most_bytes = most_bytes
        self._figures: dict[tuple[str, bytes], str] = {}

    async def download(self, team: str, file: Json) -> bytes:
        """The bytes of a file of a message. Raises NotReadable with what to do."""
        file = await self.described(team, file)
        url = _address(file)
        if not url:
            raise NotReadable("Slack gives no address for it: upload the file here.")
        check_size(int(file.get("size") or 0), self._most_bytes)
        token = await self._workspaces.token_of(team)
        data, media_type = await self._fetch(url, token)
        if media_type == "text/html" and not str(file.get("mimetype") or "").startswith("text/html"):
            raise NotReadable(
                "Slack sent its sign-in page instead: give the app the scope files:read and install it again."
            )
        return data

    async def described(self, team: str, file: Json) -> Json:
        """The file with its name and address: of those of Slack Connect a message tells the id only.

        Raises NotReadable with what to do.
        """
        if file.get("file_access") != "check_file_info" and _address(file):
            return file
        try:
            found = await (await self._workspaces.of(team)).read("files.info", file=file["id"])
        except RefusedError as refused:
            if refused.code == "missing_scope":
                raise NotReadable(
                    "The app lacks the scope files:read: add it and install the app again."
                ) from None
            raise NotReadable(f"Slack does not give it out ({refused.code}): upload it again.") from None
        except UnsureError:
            raise NotReadable("Slack could not be reached for it: ask again in a moment.") from None
        described: Json = found["file"]
        return described

    async def _fetch(self, url: str, token: str) -> tuple[bytes, str]:
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            headers = {"Authorization": f"Bearer {token}"}
            timeout = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS)
            try:
                async with self._session.get(
                    url, headers=headers, allow_redirects=False, timeout=timeout
                ) as response:
                    if response.status in REDIRECTS:
                        url = urljoin(url, response.headers.get("Location", ""))
                        continue
                    if response.status in (401, 403):
                        raise NotReadable("Slack does not let me have it: give the app the scope files:read.")
                    if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                        raise NotReadable(f"Slack answered {response.status}: send it again.")
                    return await read_within(response, self._most_bytes), response.content_type
            except (aiohttp.ClientError, TimeoutError, OSError):
                raise NotReadable("The connection to Slack broke while it was fetched: ask again.") from None
        raise NotReadable("Slack redirects in a circle: send it again.")

    def _check(self, url: str) -> None:
        """Only Slack sees the token."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        slack = parts.scheme == "https" and any(
            host == name or host.endswith(f".{name}") for name in SLACK_HOSTS
        )
        if "@" in parts.netloc or not (slack or (parts.scheme, parts.netloc) == self._trusted):
            raise NotReadable("Its address is not one of Slack's: upload the file here.")

    async def id_of(self, team: str, figure: Figure) -> str:
        """A figure as a file of the workspace, sent up once however often it is shown. Raises NotReadable."""
        key = (team, hashlib.sha256(figure.data).digest())
        known = self._figures.get(key)
        if known is None:
            known = await self.upload(team, figure.name, figure.data, description=figure.description)
            if len(self._figures) >= FIGURES_REMEMBERED:
                self._figures.pop(next(iter(self._figures)))
            self._figures[key] = known
        return known

    def forget(self, file_id: str) -> None:
        """Slack does not show this file: the next answer sends its figure up anew."""
        self._figures = {key: known for key, known in self._figures.items() if known != file_id}

    async def upload(self, team: str, name: str, data: bytes, *, description: str = "") -> str:
        """Send a file up, shared with nobody: messages show it by its id, which is returned.

        Raises NotReadable with what to do.
        """
        try:
            return await self._send_up(team, name, data, description)
        except RefusedError as refused:
            if refused.code == "missing_scope":
                raise NotReadable(
                    "the app lacks the scope files:write: add it and install the app again."
                ) from None
            raise NotReadable(f"Slack does not take files ({refused.code}).") from None
        except (UnsureError, aiohttp.ClientError, TimeoutError, OSError, KeyError):
            raise NotReadable("the connection to Slack broke while it was sent up.") from None

    async def _send_up(self, team: str, name: str, data: bytes, description: str) -> str:
        """https://docs.slack.dev/messaging/working-with-files#upload: an address, the bytes, the end."""
        web = await self._workspaces.of(team)
        place = await web.read(
            "files.getUploadURLExternal", filename=name, length=len(data), alt_txt=description or None
        )
        self._check(place["upload_url"])
        timeout = aiohttp.ClientTimeout(total=UPLOAD_SECONDS)
        async with self._session.post(place["upload_url"], data=data, timeout=timeout) as response:
            if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                raise NotReadable(f"Slack answered {response.status} when it was sent up.")
        file_id = str(place["file_id"])
        await web.write("files.completeUploadExternal", files=[{"id": file_id, "title": name}])
        await self._taken_in(web, file_id)
        return file_id

    async def _taken_in(self, web: SlackWeb, file_id: str) -> None:
        """Until Slack has looked at a file, which it does later: before, no message may show it."""
        for wait in TAKING_IN_SECONDS:
            try:
                if (await web.read("files.info", file=file_id))["file"].get("mimetype"):
                    return
            except RefusedError as refused:
                if refused.code == "missing_scope":
                    return  # nobody may look; whether it is shown will be seen
                raise
            await asyncio.sleep(wait)
        raise NotReadable("Slack is still busy with it.")


def _address(file: Json) -> str | None:
    return file.get("url_private_download") or file.get("url_private")
