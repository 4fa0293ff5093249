"""Which addresses of the network a link may lead to: those of the public web, and what an admin names.

Asked for a page, the bot stands inside the team's network: it must not fetch for a stranger what only those
inside can reach (server-side request forgery). So the address that is connected to decides, not the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from mmrag.errors import InvalidSettings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WEB_PORTS = (80, 443)
FIRST_FREE_PORT = 1024  # below, other ports than the web's belong to mail, shells, databases of old


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, text.split()))


# IANA's special-purpose registries, multicast, what is reserved, and Azure's host services, which stand at a
# public address.
_NOT_PUBLIC = _networks(
    """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20
    """
)
_GLOBAL_UNICAST = ip_network("2000::/3")
# IPv6 addresses that stand for an IPv4 one: mapped, NAT64, 6to4; and how many bits follow it.
_STANDING_FOR = (
    (ip_network("::ffff:0:0/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("2002::/16"), 80),
)
# An admin who names a host means a machine, not the cloud's keys or everybody: these are named as networks.
_NEVER_BY_NAME = _networks(
    "0.0.0.0/8 100.100.100.200/32 168.63.129.16/32 169.254.0.0/16 192.0.0.0/24 224.0.0.0/4 240.0.0.0/4 "
    "::/128 fd00:ec2::/32 fd20:ce::/32 fe80::/10 ff00::/8"
)
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's, that of a single machine."""
    address = _meant(address)
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not _is_in(address, _NOT_PUBLIC)


@dataclass(frozen=True, slots=True)
class Reach:
    """The public web, and these `hosts` (`*.example.com` for all below one) and `networks` of one's own."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Hosts and networks with commas between. Raises InvalidSettings with the one that is neither."""
        hosts, networks = set(), []
        for entry in filter(None, (each.strip().casefold() for each in text.split(","))):
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                hosts.add(_host(entry))
        return cls(frozenset(hosts), tuple(networks))

    def permits(self, host: str, address: str, port: int) -> bool:
        """Whether this address of a link's host may be connected to."""
        try:
            meant = _meant(ip_address(address))
        except ValueError:
            return False
        if _is_in(meant, self.networks) or (self._names(host) and not _is_in(meant, _NEVER_BY_NAME)):
            return True
        return is_public(meant) and (port in WEB_PORTS or port >= FIRST_FREE_PORT)

    def _names(self, host: str) -> bool:
        host = host.rstrip(".").casefold()
        above = (f"*.{host.split('.', number)[-1]}" for number in range(1, host.count(".") + 1))
        return not self.hosts.isdisjoint({host, *above})


def _host(entry: str) -> str:
    try:
        name = entry if entry.isascii() else entry.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        raise InvalidSettings(
            f"MMRAG_BOT_LINK_HOSTS cannot be used: {entry[:60]!r} is neither a host (wiki.example.com, "
            "*.example.com) nor a network (10.20.0.0/16)."
        )
    return name


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, else itself."""
    if isinstance(address, IPv6Address):
        for network, bits in _STANDING_FOR:
            if address in network:
                return IPv4Address(int(address) >> bits & 0xFFFF_FFFF)
    return address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
