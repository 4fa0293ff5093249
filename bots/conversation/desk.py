"""What the bot goes by beyond the engine: its rules, and what it has to remember of people.

The default desk has no rules and remembers nothing: a terminal with one person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.conversation.events import Mark, Proposal
    from mmrag.types import Source, Verdict

DAY, HOUR = 24 * 3600, 3600


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may do what, and how often; 0 is no limit."""

    adders: Literal["everyone", "admins"] = "everyone"
    questions_a_day: int = 0
    ratings_an_hour: int = 0
    corrections_a_day: int = 0
    approvals: int = 0  # people beside the author who must approve a correction; an admin is enough


class Records(Protocol):
    """What is remembered between one exchange and the next, on disk."""

    async def spend(self, what: str, person: str, *, most: int, seconds: int) -> bool:
        """Count one use; False, and it is not counted, where `most` were made in the last `seconds`."""
        ...

    async def setting(self, place: str, name: str, default: str) -> str:
        """What was set for a place."""
        ...

    async def set(self, place: str, name: str, value: str) -> None: ...

    async def mark(self, mark: Mark) -> tuple[Verdict | None, Verdict | None]:
        """Keep a mark; the person's verdict on the answer before and after it."""
        ...

    async def propose(self, proposal: Proposal) -> None:
        """Let it wait; once, however often it is proposed."""
        ...

    async def proposal(self, proposal_id: str) -> Proposal | None:
        """One that waits; None where it does not any more."""
        ...

    async def approve(self, proposal_id: str, person: str, *, admin: bool) -> tuple[Proposal, bool] | None:
        """Count an approval; the proposal, and whether these are enough now. None where it is gone."""
        ...

    async def settle(self, proposal_id: str) -> None:
        """It is decided: it waits no longer."""
        ...


class Web(Protocol):
    """Where links lead."""

    async def fetch(self, link: str) -> Sequence[Source]:
        """What a link leads to. Raises UserFacingError with what to do where it is not to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Rules, the records that they need, and the web.

    Without records no rule holds; without a web a link is a text. `place_settings` are those that
    a platform has for a place.
    """

    rules: Rules = field(default_factory=Rules)
    records: Records | None = None
    place_settings: tuple[str, ...] = ("follow-ups", "ephemeral", "workspace-documents")
    web: Web | None = None


OPEN = Desk()
