"""Whatever is sent: Discord's rules take it or say what is wrong, and never fail themselves."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.discord_server import rules
from tests.discord_server.world import COMPONENTS_V2, DiscordError

NAMES = """type components component accessory content label custom_id style url options value name media
items file title description fields footer text author image embeds choices min_length max_values required
autocomplete nonce allowed_mentions parse users flags emoji data""".split()
SCALARS = st.none() | st.booleans() | st.integers(-2, 30) | st.text(max_size=6) | st.sampled_from(NAMES)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=30,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8)
LENIENT = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def decided(check, *given, **more):
    """Whether it was taken; what is refused is named in Discord's own form, and nothing else is raised."""
    refused = None
    try:
        check(*given, **more)
    except DiscordError as error:
        refused = error
    assert refused is None or ((refused.status, refused.code) == (400, 50035) and refused.errors)
    return refused is None


@LENIENT
@given(BODIES, st.sampled_from([0, COMPONENTS_V2]))
def test_every_body_of_a_message_is_decided_on(body, flags):
    decided(rules.check_message, body, flags=flags)


@LENIENT
@given(BODIES)
def test_every_modal_is_decided_on(data):
    decided(rules.check_modal, data)


@LENIENT
@given(st.lists(BODIES, max_size=3) | JSON)
def test_every_set_of_commands_is_decided_on(commands):
    decided(rules.check_commands, commands)


@LENIENT
@given(JSON)
def test_every_offer_of_choices_is_decided_on(choices):
    decided(rules.check_choices, choices)


@pytest.mark.parametrize("count", [40, 41])
def test_nested_components_count_each(count):
    section = {"type": 9, "components": [{"type": 10, "content": "x"}], "accessory": BUTTON}
    box = {"type": 17, "components": [section, *[{"type": 10, "content": "x"}] * (count - 4)]}
    assert decided(rules.check_message, {"components": [box]}, flags=COMPONENTS_V2) == (count == 40)


BUTTON = {"type": 2, "style": 1, "label": "x", "custom_id": "x"}
