"""Who may do what, and how often. Each check raises the sentence that the person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.conversation.desk import DAY, HOUR
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from bots.conversation.desk import Desk


def check_may_add(desk: Desk, *, admin: bool) -> None:
    """Adding and removing: everyone, or admins only."""
    if desk.rules.adders == "admins" and not admin:
        raise InvalidInput("Only admins add and remove documents here: ask one of them.")


def check_may_share(desk: Desk, *, admin: bool) -> None:
    """What was private becomes everyone's, or is gone for good: that is for admins where there are any."""
    if desk.records is not None and not admin:
        raise InvalidInput("Only an admin may do that: ask one of them.")


async def spend_question(desk: Desk, person: str) -> None:
    """One more question of a person."""
    await _spend(
        *(desk, "questions", person, desk.rules.questions_a_day, DAY),
        sentence="You have asked {most:,} questions in the last 24 hours, the limit: try again later.",
    )


async def spend_rating(desk: Desk, person: str) -> None:
    """One more thumb of a person."""
    await _spend(
        *(desk, "ratings", person, desk.rules.ratings_an_hour, HOUR),
        sentence="You have rated {most:,} times in the last hour, the limit: try again later.",
    )


async def spend_correction(desk: Desk, person: str) -> None:
    """One more correction of a person."""
    await _spend(
        *(desk, "corrections", person, desk.rules.corrections_a_day, DAY),
        sentence="You have sent {most:,} corrections in the last 24 hours, the limit: try again later.",
    )


async def _spend(desk: Desk, what: str, person: str, most: int, seconds: int, *, sentence: str) -> None:
    if (
        most
        and desk.records is not None
        and not await desk.records.spend(what, person, most=most, seconds=seconds)
    ):
        raise InvalidInput(sentence.format(most=most))
