"""Which addresses a link may lead to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.addresses import Reach, is_public
from mmrag.errors import InvalidSettings

# A second opinion: what IANA's registries call not global, beside what Python's release knows of them.
INSIDE = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
    192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    255.255.255.255/32 168.63.129.16/32
""".split()
INSIDE_6 = """
    ::/128 ::1/128 ::/96 64:ff9b:1::/48 100::/64 2001::/32 2001:2::/48 2001:10::/28 2001:20::/28 2001:db8::/32
    3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 fd00:ec2::254/128
""".split()
within = {network: st.ip_addresses(network=network) for network in (*INSIDE, *INSIDE_6)}


def forms(address):
    """An IPv4 address, and all IPv6 addresses that lead to it."""
    number = int(address)
    return (
        address,
        IPv6Address(0xFFFF << 32 | number),  # mapped
        IPv6Address(0x0064_FF9B << 96 | number),  # NAT64
        IPv6Address(0x2002 << 112 | number << 80 | 1),  # 6to4
    )


@given(st.one_of([within[network] for network in INSIDE]))
def test_no_form_of_an_address_inside_is_public(address):
    assert [form for form in forms(address) if is_public(form)] == []


@given(st.one_of([within[network] for network in INSIDE_6]))
def test_no_ipv6_address_inside_is_public(address):
    assert not is_public(address)


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_not_public_in_any_form(address):
    if address.version == 4 and not address.is_global:
        assert not any(map(is_public, forms(address)))
    elif is_public(address) and address.version == 6 and address in ip_network("2000::/3"):
        assert address.is_global or address in ip_network("2002::/16")


@given(st.ip_addresses(v=4))
def test_all_forms_of_an_address_are_judged_alike(address):
    assert len({is_public(form) for form in forms(address)}) == 1


@pytest.mark.parametrize("text", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_the_public_webs_addresses_are_reached_at_the_webs_ports(text):
    assert is_public(ip_address(text))
    reached = [port for port in (22, 25, 80, 443, 8080) if Reach().permits("site.example", text, port)]
    assert reached == [80, 443, 8080]


def test_a_named_network_is_reached_in_every_form_and_nothing_beside_it():
    reach = Reach.parse(" 10.20.0.0/16 , fd12:3456::/32")
    assert all(reach.permits("wiki", str(form), 81) for form in forms(IPv4Address("10.20.3.4")))
    assert reach.permits("wiki", "fd12:3456::7", 443)
    assert not reach.permits("wiki", "10.21.0.1", 443)
    assert not reach.permits("wiki", "fd12:3457::7", 443)


def test_a_named_host_may_be_inside_but_never_where_the_clouds_keys_are():
    reach = Reach.parse("Wiki.Corp.example, *.intra.example, wörter.example")
    inside = "192.168.7.1"
    for host in ("wiki.corp.example", "WIKI.corp.example.", "a.b.intra.example", "xn--wrter-jua.example"):
        assert reach.permits(host, inside, 8080), host
        for never in ("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.1", "fd00:ec2::254"):
            assert not reach.permits(host, never, 80), never
    for host in ("corp.example", "intra.example", "evil-wiki.corp.example", "wiki.corp.example.evil.example"):
        assert not reach.permits(host, inside, 8080), host


@pytest.mark.parametrize("text", ["http://wiki.example", "wiki example", "10.0.0.0/33", "-", "*.", "a/b"])
def test_what_is_neither_host_nor_network_is_named(text):
    with pytest.raises(InvalidSettings, match="MMRAG_BOT_LINK_HOSTS cannot be used"):
        Reach.parse(f"wiki.example, {text}")


def test_what_is_no_address_is_not_reached():
    assert not Reach.parse("wiki.example").permits("wiki.example", "wiki.example", 80)
