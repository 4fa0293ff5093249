"""Links that open what an answer cites, for whoever sees the answer, and for a while.

A token names an answer, one of its markers and the second at which it expires, under an HMAC-SHA256
whose key stands in the data folder: it can be neither made nor changed without that key. What the
marker stands for is looked up when the link is followed, so a link shows nothing that has been removed.
This module knows no store and no web server.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import os
import re
import secrets
import struct
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.errors import MmragError

if TYPE_CHECKING:
    from pathlib import Path

    from mmrag.types import Citation

KEY_BYTES = 32
PATH = "/s"  # under the public address
DAY_SECONDS = 24 * 3600

_CLAIM = struct.Struct(">B8sHI")  # version, answer, marker, seconds since 1970
_MAC_BYTES = 18  # 144 bits; with the claim 33 bytes, which base64 writes in 44 characters, none to spare
_TOKEN = re.compile(r"[A-Za-z0-9_-]{44}")
_VERSION = 1


class ForgedLinkError(MmragError):
    """A link that was not made here."""


class ExpiredLinkError(MmragError):
    """A link that was made here, and whose time is over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a link stands for: a citation of an answer, until `expires` (seconds since 1970)."""

    answer_id: str
    marker: int
    expires: float


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Makes and opens links that begin with `address` and hold for `days`."""

    key: bytes
    address: str = ""
    days: float = 30

    def linked(
        self, answer_id: str, citations: tuple[Citation, ...], *, at: float | None = None
    ) -> tuple[Citation, ...]:
        """Citations of an answer, those of stored documents with links that hold from `at` (None: now) on."""
        if not self.address:
            return citations
        return tuple(
            citation
            if citation.document_id is None
            else replace(
                citation,
                link=f"{self.address}{PATH}/{self.token(answer_id, citation.marker, at=at)}#quote",
            )
            for citation in citations
        )

    def token(self, answer_id: str, marker: int, *, at: float | None = None) -> str:
        """The token of a citation, from `at` (None: now) on; `answer_id` is 16 hexadecimal digits."""
        expires = int((time.time() if at is None else at) + self.days * DAY_SECONDS)
        claim = _CLAIM.pack(_VERSION, bytes.fromhex(answer_id), marker, expires)
        return base64.urlsafe_b64encode(claim + self._mac(claim)).decode()

    def open(self, token: str) -> Claim:
        """What the token stands for. Raises ForgedLinkError, ExpiredLinkError."""
        if not _TOKEN.fullmatch(token):  # base64 by itself takes several spellings of the same bytes
            raise ForgedLinkError
        sealed = base64.urlsafe_b64decode(token)
        claim, mac = sealed[: _CLAIM.size], sealed[_CLAIM.size :]
        if not hmac.compare_digest(mac, self._mac(claim)):
            raise ForgedLinkError
        version, answer, marker, expires = _CLAIM.unpack(claim)
        if version != _VERSION:
            raise ForgedLinkError
        if expires < time.time():
            raise ExpiredLinkError
        return Claim(answer.hex(), marker, expires)

    def _mac(self, claim: bytes) -> bytes:
        return hmac.digest(self.key, b"page link\0" + claim, "sha256")[:_MAC_BYTES]


def read_key(path: Path) -> bytes:
    """The key in this file, made if there is none; whichever process is first makes it.

    Raises OSError where the file can be neither read nor made.
    """
    with contextlib.suppress(FileNotFoundError):
        return _whole(path)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())  # else a power failure could leave a key of zeros, which anyone knows
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # unlike a rename, it leaves a key that another process has made
    draft.unlink()
    return _whole(path)


def _whole(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} is damaged: remove it; links that were given out before end with it")
    return key
