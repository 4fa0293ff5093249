"""What acts in a message's text, and what only looks as if it did."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.discord_server import text
from tests.discord_server.world import Pings, Role


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("see https://a.b/c.", ["https://a.b/c"]),
        ("(https://a.b/c_(d))", ["https://a.b/c_(d)"]),
        ("[here](https://a.b/c)", ["https://a.b/c"]),
        ("[here](<https://a.b/c> 'title')", ["https://a.b/c"]),
        ("<https://a.b>", ["https://a.b"]),
        ("`https://a.b` and ```\nhttps://a.b\n```", []),
        ("``[x](https://a.b)``", []),
        ("<me@example.com>", ["mailto:me@example.com"]),
        ("[https://good.example](https://evil.example)", ["https://evil.example"]),
        ("javascript:alert(1) and [x](javascript:alert(1))", []),
        ("no scheme: example.com", []),
        ("``` https://a.b", ["https://a.b"]),
    ],
)
def test_links_are_those_that_can_be_clicked_on(content, found):
    assert text.links(content) == found


def test_an_address_in_angle_brackets_has_no_preview():
    said = "https://a.b <https://c.d> [x](https://e.f) [y](<https://g.h>)"
    assert text.previewed(said) == ["https://a.b", "https://e.f"]


@pytest.mark.parametrize(
    ("content", "count"),
    [("```py\nx\n```", 0), ("```\nx", 1), ("a ``` b ``` c ```", 1), ("no fence", 0), ("`` ` ``", 0)],
)
def test_fences_that_nothing_closes_are_counted(content, count):
    assert text.open_fences(content) == count


def pings(content, allowed, **more):
    known = {
        "members": {"1", "2"},
        "roles": {"8": Role("8", "team", 0, mentionable=True), "9": Role("9", "x", 0)},
    }
    return text.pings([content], allowed=allowed, **({"may_ping_everyone": False} | known | more))


def test_a_mention_calls_who_is_there_and_may_be_called():
    content = "<@1> <@!2> <@3> <@&8> <@&9> @everyone `<@1>`"
    assert pings(content, None) == Pings(users=("1", "2"), roles=("8",))
    assert pings(content, None, may_ping_everyone=True) == Pings(
        everyone=True, users=("1", "2"), roles=("8", "9")
    )
    assert not pings(content, {"parse": []}, may_ping_everyone=True)
    assert pings(content, {"parse": [], "users": ["2"]}) == Pings(users=("2",))
    assert pings("<@1>", {"parse": ["roles"]}) == Pings()
    assert pings("x", {"parse": []}, replied_to="2") == Pings()
    assert pings("x", {"parse": [], "replied_user": True}, replied_to="2") == Pings(users=("2",))


@given(st.text(alphabet="`[]()<>@!&#\\\n*_~|-: heverynot1https://a.b", max_size=60))
def test_the_parts_together_are_the_whole(content):
    assert "".join(each.text for each in text.tokens(content)) == content


@given(st.text(max_size=40))
def test_what_stands_in_code_calls_nobody_and_leads_nowhere(said):
    code = "```\n" + said.replace("`", "") + " <@1> @here https://a.b\n```"
    assert not pings(code, None, may_ping_everyone=True)
    assert text.links(code) == []
