"""Who may look inside: an API key of role `admin`, or a person whom a trusted proxy names.

A key is typed in once; the browser then holds a sealed note of the key's id, never the key. The id is
looked up at each request, so a key that is removed ends its sessions. A proxy's header counts only where
the connection itself comes from that proxy. With neither, and no key at all, who sits at this machine
may look.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mmrag.errors import InvalidSettings
from mmrag.service.context import is_addressed_here, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from mmrag.config import Settings
    from mmrag.storage.keys import ApiKeys

SESSION_SECONDS = 12 * 3600
COOKIE = "mmrag-look-inside"

_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks, and at which collections; `leaves` where there is a session that they may end."""

    id: str
    name: str
    may_see: Callable[[str], bool]
    sees_all: bool
    leaves: bool = False


class Door:
    """Decides who may enter. `secret` seals sessions and forms. Raises InvalidSettings."""

    def __init__(self, settings: Settings, keys: ApiKeys, secret: bytes) -> None:
        self._keys = keys
        self._secret = secret
        self._header = settings.admin_sso_header
        self._proxies = _networks(settings.admin_sso_proxies)
        self._users = _users(settings.admin_sso_users)
        self._public_url = settings.public_url
        self._host = settings.serve_host
        if self._header and not (self._proxies and self._users):
            raise InvalidSettings(
                "admin_sso_header is set, so set admin_sso_proxies to the proxies whose header is believed, "
                "and admin_sso_users to those who may enter."
            )

    # ------------------------------------------------------------------- coming in

    def visitor(self, request: Request) -> Visitor | None:
        """Who this is, as far as they may enter."""
        return self._named_by_proxy(request) or self._with_session(request) or self._at_this_machine(request)

    def session(self, presented: str) -> str | None:
        """A new session for who presents this key; None where it does not open the door."""
        key = self._keys.find(presented)
        if key is None or key.role != "admin":
            return None
        claim = f"{key.id}.{int(time.time()) + SESSION_SECONDS}"
        return f"{claim}.{self._seal('session', claim)}"

    def _named_by_proxy(self, request: Request) -> Visitor | None:
        names = request.headers.getlist(self._header) if self._header else []
        if len(names) != 1 or not _is_within(_peer(request), self._proxies):
            return None
        collections = self._users.get(names[0].strip())
        if collections is None:
            return None
        return Visitor(
            f"person {names[0].strip()}",
            names[0].strip(),
            lambda collection: not collections or collection in collections,
            sees_all=not collections,
        )

    def _with_session(self, request: Request) -> Visitor | None:
        claim, _, seal = request.cookies.get(COOKIE, "").rpartition(".")
        key_id, _, expires = claim.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal("session", claim).encode()):
            return None
        if int(expires) < time.time():
            return None
        for key in self._keys.all():
            if key.id == key_id and key.role == "admin":
                everything = key.may_name("*")
                return Visitor(f"key {key.id}", key.name, key.may_name, sees_all=everything, leaves=True)
        return None

    def _at_this_machine(self, request: Request) -> Visitor | None:
        """Who opens a service that only this machine can reach, and for which no key was made."""
        public = urlsplit(self._public_url).hostname or ""
        if self._header or (public and not is_loopback(public)) or not is_loopback(self._host):
            return None
        if not (is_addressed_here(request.headers) and is_loopback(_peer(request))) or self._keys.exist():
            return None
        return Visitor("this machine", "this machine", lambda _: True, sees_all=True)

    # ----------------------------------------------------------------------- forms

    def form_token(self, visitor: Visitor, *, days_ago: int = 0) -> str:
        """What a form of ours carries: another site can have somebody send a form, but not this."""
        day = int(time.time()) // _DAY_SECONDS - days_ago
        return self._seal("form", f"{visitor.id}.{day}")

    def sent_by(self, visitor: Visitor, token: str) -> bool:
        """Whether a form comes from a page that this visitor was shown today or yesterday."""
        return any(
            hmac.compare_digest(token.encode(), self.form_token(visitor, days_ago=days).encode())
            for days in (0, 1)
        )

    def _seal(self, use: str, claim: str) -> str:
        mac = hmac.digest(self._secret, f"look inside, {use}\0{claim}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(listed: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each.strip()) for each in listed.split(",") if each.strip())
    except ValueError:
        raise InvalidSettings(
            "admin_sso_proxies cannot be used: name addresses or networks, as 10.0.0.5 or 10.0.0.0/24, with "
            "commas between."
        ) from None


def _users(listed: str) -> dict[str, frozenset[str]]:
    """The collections that each may see; an empty set stands for all."""
    users: dict[str, frozenset[str]] = {}
    for each in filter(None, map(str.strip, listed.split(","))):
        name, limited, collections = each.partition("=")
        seen = frozenset(filter(None, map(str.strip, collections.split("+"))))
        if limited and not seen:
            raise InvalidSettings(
                f"admin_sso_users names no collection for {name!r}: write {name}=team, or {name} for all."
            )
        users[name.strip()] = seen
    return users


def _peer(request: Request) -> str:
    """The other end of the connection itself."""
    return request.client.host if request.client else ""


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)
