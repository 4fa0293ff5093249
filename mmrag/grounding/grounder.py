"""Every claim of a draft is tied to the text that supports it, or dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.grounding import citations
from mmrag.grounding.support import overlap, supports
from mmrag.text.sentences import sentence_spans
from mmrag.types import Quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Citation, Claim, Draft, Prompt


class EvidenceGrounder:
    """Trusts no generator: what it claims to quote is looked up, what it phrased is looked for."""

    def ground(self, draft: Draft, prompt: Prompt) -> tuple[Claim, ...]:
        grounded = (
            claim if _holds(claim, prompt) else _attributed(claim, prompt)
            for claim in draft.claims
            if claim.text.strip()
        )
        return tuple(claim for claim in grounded if claim is not None)

    def cite(self, claims: Sequence[Claim], prompt: Prompt) -> tuple[str, tuple[Citation, ...]]:
        return citations.cite(claims, prompt) if claims else citations.abstain(prompt)


def _holds(claim: Claim, prompt: Prompt) -> bool:
    """Whether the claim's own quotes are there and say what it says."""
    if not claim.support or not all(_exists(quote, prompt) for quote in claim.support):
        return False
    quoted = "\n".join(prompt.hits[quote.hit].chunk.text[quote.start : quote.end] for quote in claim.support)
    return supports(quoted, _titles(prompt, {quote.hit for quote in claim.support}), claim.text)


def _exists(quote: Quote, prompt: Prompt) -> bool:
    return 0 <= quote.hit < len(prompt.hits) and 0 <= quote.start < quote.end <= len(
        prompt.hits[quote.hit].chunk.text
    )


def _attributed(claim: Claim, prompt: Prompt) -> Claim | None:
    """The claim with the one sentence of the evidence that supports it best, or None."""
    candidates = [
        (overlap(hit.chunk.text[start:end], claim.text), -number, Quote(number, start, end))
        for number, hit in enumerate(prompt.hits)
        for start, end in sentence_spans(hit.chunk.text)
        if supports(hit.chunk.text[start:end], _titles(prompt, {number}), claim.text)
    ]
    if not candidates:
        return None
    _, _, best = max(candidates, key=lambda one: one[:2])
    return replace(claim, support=(best,))


def _titles(prompt: Prompt, hits: set[int]) -> str:
    """Titles and headings of the cited sources: a table's column may be named there only."""
    return "\n".join(f"{prompt.hits[hit].title}\n{prompt.hits[hit].chunk.context}" for hit in sorted(hits))
