"""Each setting is explained where people look for it."""

from __future__ import annotations

import pytest

from mmrag.config import Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name):
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


def test_the_doctor_lists_every_setting_with_its_explanation(run_python):
    listing = run_python(
        "-c", "from mmrag.cli import main; raise SystemExit(main())", "doctor", "--settings"
    ).stdout
    words = " ".join(listing.split())  # wrapped lines joined
    missing = [
        name
        for name, field in Settings.model_fields.items()
        if f"MMRAG_{name.upper()}" not in words or " ".join(field.description.split()) not in words
    ]
    assert missing == []
