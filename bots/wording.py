"""What every platform says in the same words, whatever they look like there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bots.conversation import Proposal

MOST_QUESTION_CHARS = 1_000  # of a question that is shown with its answer
WHAT_IS_RIGHT = (
    "Noted, thank you. What would be right? Reply “correction: …” in the thread, or write it here:"
)
CORRECT_IT = "Correct it"
CALL_FOR_HELP = "somebody could use your help here: I did not find an answer in the documents."

# What people tick about an answer that they rated down.
REASONS = {
    "wrong": "It is wrong",
    "incomplete": "Something is missing",
    "outdated": "It is out of date",
    "sources": "The sources do not fit",
    "not_asked": "It is not what was asked",
}


def says_it_is_right(name: str) -> str:
    """The heading over a correction that waits."""
    return f"{name} says what would be right:"


def approval_need(proposal: Proposal) -> str:
    """When a correction becomes a source."""
    return (
        f"It becomes a source when {proposal.needed} people beside its author, or one admin, approve."
        if proposal.needed > 1
        else "It becomes a source when somebody beside its author approves."
    )
