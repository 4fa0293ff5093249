"""Who sees what is posted in a place, and so which collections may be read there. Pure functions.

A workspace (a guild) has one collection; a place that not everybody there can see has one of its own as
well. Where people from elsewhere look on, only the place's own is read, unless an admin opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlaceKind = Literal["public", "private", "direct", "group"]


@dataclass(frozen=True, slots=True)
class Audience:
    """Everyone who sees what is posted in a place, as the collections that all of them may read.

    Widest first. What is added in the place belongs to the last, narrowest one. `shared` is the
    collection of all, where somebody with the right may share it to; None where there is none.
    """

    collections: tuple[str, ...]
    shared: str | None = None

    @property
    def home(self) -> str:
        """The collection that new documents go into."""
        return self.collections[-1]

    @property
    def has_its_own(self) -> bool:
        """Whether what is added here is seen here only."""
        return self.shared is not None and self.home != self.shared


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, a direct message, a group: what its platform says of it now.

    `workspace` and `id` are the platform's names, with the platform in front where they need it.
    `outsiders`: people look on who are not of the workspace, or not whole members.
    """

    workspace: str
    id: str
    kind: PlaceKind
    outsiders: bool = False


def audience_of(place: Place, *, open_to_outsiders: bool = False) -> Audience:
    """The collections that everyone who can read the place may read."""
    shared, own = place.workspace, f"{place.workspace}:{place.id}"
    if place.outsiders and not open_to_outsiders:
        return Audience((own,), shared)
    if place.kind == "public" and not place.outsiders:
        return Audience((shared,), shared)
    return Audience((shared, own), shared)


def may_see(audience: Audience, collections: tuple[str, ...]) -> bool:
    """Whether everyone of this audience may read what was answered from these collections."""
    return set(collections) <= set(audience.collections)
