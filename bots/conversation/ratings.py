"""Ratings and corrections: a thumb counts at once, a correction when those who know agree."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from bots.conversation.desk import OPEN
from bots.conversation.endings import conclude
from bots.conversation.events import Notice, Proposal
from bots.conversation.rights import spend_correction, spend_rating
from mmrag.errors import InvalidInput, NotFound
from mmrag.types import Rating

if TYPE_CHECKING:
    from bots.conversation.desk import Desk, Records
    from bots.conversation.events import Chat, Ending, Mark
    from mmrag.ports import EngineClient
    from mmrag.types import RatingReceipt, Verdict


async def handle_rating(rating: Rating, chat: Chat, engine: EngineClient) -> Ending:
    """Record a verdict, with its correction if there is one; ask for one after a thumbs down."""
    return await conclude(_rate(rating, chat, engine), chat)


async def handle_mark(mark: Mark, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    """Record a thumb that was set or taken back; the person's last standing one counts."""
    return await conclude(_mark(mark, chat, engine, desk), chat)


async def handle_correction(
    answer_id: str,
    correction: str,
    chat: Chat,
    engine: EngineClient,
    *,
    author: str,
    name: str = "",
    admin: bool = False,
    desk: Desk = OPEN,
) -> Ending:
    """Take what somebody says is right: the answer counts as rated down.

    Where corrections need approval it waits for it, unless an admin wrote it.
    """
    if desk.records is None or not desk.rules.approvals or admin:
        rating = Rating(answer_id=answer_id, verdict="down", correction=correction, author=name or author)
        return await handle_rating(rating, chat, engine)
    proposal = Proposal(
        id=_proposal_id(answer_id, correction, author),
        answer_id=answer_id,
        correction=correction,
        author=author,
        name=name or author,
        needed=desk.rules.approvals,
    )
    return await conclude(_propose(proposal, chat, engine, desk, desk.records), chat)


async def handle_approval(
    proposal_id: str,
    chat: Chat,
    engine: EngineClient,
    desk: Desk,
    *,
    person: str,
    admin: bool,
    approved: bool,
) -> Ending:
    """Somebody approves or rejects a correction."""
    return await conclude(
        _decide(proposal_id, chat, engine, desk, person=person, admin=admin, approved=approved), chat
    )


async def _rate(rating: Rating, chat: Chat, engine: EngineClient) -> Ending:
    _check_correction(rating.correction)
    receipt = await asyncio.to_thread(engine.rate, rating)
    if receipt.verdict == "down" and rating.correction is None:
        await chat.ask_for_correction(receipt.answer_id)
    else:
        await chat.post_notice(Notice(_thanks(receipt)))
    return "done"


async def _mark(mark: Mark, chat: Chat, engine: EngineClient, desk: Desk) -> Ending:
    if desk.records is None:
        return await _rate(
            Rating(mark.answer_id, mark.verdict, author=mark.name or mark.author), chat, engine
        )
    await spend_rating(desk, mark.author)
    before, after = await desk.records.mark(mark)
    author = mark.name or mark.author
    # The same again changes nothing; a process may have died between the records and the engine.
    if after is None:
        await asyncio.to_thread(engine.withdraw, mark.answer_id, author=author)
    else:
        await asyncio.to_thread(engine.rate, Rating(mark.answer_id, after, author=author))
    if mark.standing and mark.verdict == "down" and after != before:  # several processes may have heard it
        await chat.ask_for_correction(mark.answer_id)
    elif not mark.silent:
        await chat.post_notice(Notice("Thank you, noted."))
    return "done"


async def _propose(
    proposal: Proposal, chat: Chat, engine: EngineClient, desk: Desk, records: Records
) -> Ending:
    _check_correction(proposal.correction)
    await spend_correction(desk, proposal.author)
    rating = Rating(proposal.answer_id, "down", proposal.correction, author=proposal.name)
    await asyncio.to_thread(engine.propose, rating, proposal_id=proposal.id)
    await records.propose(proposal)
    await chat.ask_for_approval(proposal)
    return "done"


async def _decide(
    proposal_id: str,
    chat: Chat,
    engine: EngineClient,
    desk: Desk,
    *,
    person: str,
    admin: bool,
    approved: bool,
) -> Ending:
    if desk.records is None:
        raise InvalidInput("Corrections need no approval here.")
    if not approved:
        waiting = await desk.records.proposal(proposal_id)
        if waiting is None:
            raise InvalidInput(_DECIDED)
        if not admin and waiting.author != person:
            raise InvalidInput("Only its author or an admin may reject a correction.")
        await _settle(proposal_id, engine, desk.records, approved=False)
        await chat.post_notice(Notice("The correction is rejected."))
        return "done"
    voted = await desk.records.approve(proposal_id, person, admin=admin)
    if voted is None:
        raise InvalidInput(_DECIDED)
    proposal, accepted = voted
    if not accepted:
        needed = f"{proposal.needed} people beside its author" if proposal.needed > 1 else "one person more"
        await chat.post_notice(Notice(f"Noted: it takes {needed}, or one admin.", mood="hint"))
        return "done"
    await _settle(proposal_id, engine, desk.records, approved=True)
    await chat.post_notice(Notice(f"Approved: the correction by {proposal.name} is a source from now on."))
    return "done"


async def _settle(proposal_id: str, engine: EngineClient, records: Records, *, approved: bool) -> None:
    """Decide; of those who do at once the engine lets one. Raises NotFound for the others.

    The engine is first: what a crash comes between is decided there, and tried again it says so.
    """
    try:
        await asyncio.to_thread(engine.decide, proposal_id, approved=approved)
    except NotFound:
        await records.settle(proposal_id)
        raise
    await records.settle(proposal_id)


_DECIDED = "This correction does not wait for approval any more: it was decided already."


def _proposal_id(answer_id: str, correction: str, author: str) -> str:
    """The same for the same: a job that is worked on again after a crash proposes nothing new."""
    said = f"{answer_id}\0{correction}\0{author}"
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _check_correction(correction: str | None) -> None:
    if correction is not None and not correction.strip():
        raise InvalidInput("The correction is empty: write what would be right.")


def _thanks(receipt: RatingReceipt) -> str:
    if receipt.correction_document_id is not None:
        return "Thank you. Your correction is a source of its own from now on."
    thanks: dict[Verdict, str] = {
        "up": "Thank you, noted.",
        "down": "Thank you, noted: this answer will not be repeated from the cache.",
    }
    return thanks[receipt.verdict]
