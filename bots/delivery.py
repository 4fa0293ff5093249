"""What was answered, sent once: the outbox's half that every platform shares.

Before a part is sent for the first time the outbox notes that it may arrive. After any doubt (a broken
connection, a 5xx, a process that died) an adapter looks at what is there before it sends again. The audience
is worked out anew just before: what a place may no longer see is not posted there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bots.conversation import Notice, Proposal, log_fault, may_see
from bots.figures import figure_of
from bots.inbox import Part
from bots.outcomes import RefusedError, UnsureError
from mmrag.wire import answer_from_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.conversation import Audience
    from bots.figures import Figure
    from bots.inbox import Inbox, Job
    from bots.records import DiskRecords
    from mmrag.ports import EngineClient
    from mmrag.types import Answer

    Json = dict[str, Any]

log = logging.getLogger(__name__)

WAITS_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)  # before a part is tried again
WIDER = Notice(
    "This place can be seen by more people than when you asked, so I do not show what I found: ask again.",
    mood="problem",
)

Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a reply goes. `whispered`: only the person sees it."""

    workspace: str
    user: str
    whispered: bool


Place = TypeVar("Place", bound=Target)


class Delivery(ABC, Generic[Place, Message]):
    """Sends the parts of answered jobs to a `Place` as a platform's `Message`s.

    `human_of` tells whom a workspace asks where there is no answer; "" for nobody.
    """

    def __init__(
        self,
        inbox: Inbox,
        records: DiskRecords,
        engine: EngineClient,
        *,
        platform: str,
        human_of: Callable[[str], Awaitable[str]],
    ) -> None:
        self._inbox = inbox
        self._records = records
        self._engine = engine
        self._platform = platform
        self._human_of = human_of

    async def deliver(self, job: Job) -> str:
        """Send every part that has not arrived; how it ended, for the record. Raises LeaseLostError.

        Never gives up on a platform that is away while this process runs; gives up on what is refused, and
        on what fails for long while all else is answered.
        """
        for part in job.parts or ():
            try:
                await self._send(job, part)
            except RefusedError as refused:
                log.warning("a reply was refused by %s: %s", self._platform, refused.code)
                return f"undeliverable: {refused.code}"
        return "delivered"

    async def _send(self, job: Job, part: Part) -> None:
        target = self.target(job, part)
        for attempt in itertools.count():
            try:
                await self._inbox.hold(job)
                await self.send_once(job, part, target)
            except UnsureError:
                if attempt >= len(WAITS_SECONDS) and not await self._is_away(target):
                    raise RefusedError("unreachable") from None
                await asyncio.sleep(WAITS_SECONDS[min(attempt, len(WAITS_SECONDS) - 1)])
                part = Part(part.number, part.content, unsure=True, receipt=part.receipt or "")
            else:
                return

    async def about_to_send(self, job: Job, part: Part) -> None:
        """To be called right before each message. Raises LeaseLostError: then it is not ours to send."""
        if part.unsure:
            await self._inbox.hold(job)
        else:
            await self._inbox.sending(job, part)

    @abstractmethod
    def target(self, job: Job, part: Part) -> Place:
        """Where a part goes."""

    async def _is_away(self, target: Place) -> bool:
        """Whether the platform answers nothing at all: then it is not this part's fault that it fails."""
        try:
            await self.ask_anything(target)
        except UnsureError:
            return True
        except RefusedError:
            return False
        return False

    @abstractmethod
    async def ask_anything(self, target: Place) -> None:
        """What the platform answers whenever it answers at all. Raises RefusedError, UnsureError."""

    @abstractmethod
    async def send_once(self, job: Job, part: Part, target: Place) -> None:
        """Send a part, and note that it has arrived. Raises RefusedError; UnsureError to be called again."""

    # -------------------------------------------------------------------- what is said

    async def messages(self, part: Part, target: Place) -> list[Message]:
        """What a part says, as the platform's messages."""
        content = part.content
        match content["kind"]:
            case "answer":
                return await self._answer(content, target)
            case "correction":
                return [self.correction(content["answer"])]
            case "approval":
                return [self.approval(Proposal(**content["proposal"]))]
            case "human":
                return [self.human(content["group"], content.get("asked"))]
            case _:
                return [self.notice(Notice(content["text"], tuple(content["lines"]), content["mood"]))]

    async def _answer(self, content: Json, target: Place) -> list[Message]:
        collections = tuple(content["collections"])
        if not target.whispered and not may_see(await self.audience(content, target), collections):
            return [self.notice(WIDER)]
        human = bool(await self._human_of(target.workspace))
        return await self.answer(answer_from_json(content["answer"]), content, target, human=human)

    async def figure(self, answer: Answer, content: Json) -> Figure | None:
        """The figure that the answer rests on, from the collections that it was given from and no others."""
        collections = tuple(content["collections"])
        try:
            return await asyncio.to_thread(
                figure_of, answer, lambda name: self._engine.figure(name, collections=collections)
            )
        except Exception as error:  # noqa: BLE001 - the answer is worth more than its picture
            log_fault(error)
            return None

    @abstractmethod
    async def audience(self, content: Json, target: Place) -> Audience:
        """Everyone who will see it, now. Raises RefusedError, UnsureError."""

    @abstractmethod
    async def answer(self, answer: Answer, content: Json, target: Place, *, human: bool) -> list[Message]:
        """`human`: somebody can be asked where there is no answer."""

    # How a platform shows the rest; each is a function of its own.
    correction: Callable[[str], Message]
    approval: Callable[[Proposal], Message]
    human: Callable[[str, str | None], Message]  # whom to call; the question, where nobody has seen it
    notice: Callable[[Notice], Message]


def is_private(job: Job, part: Part) -> bool:
    """Whether a part is for the person alone."""
    whispered = part.content.get("whispered", job.payload.get("private"))
    return bool(whispered) and not part.content.get("aloud")


def answer_id_of(part: Part) -> str | None:
    """The answer that a part shows."""
    return part.content["answer"]["id"] if part.content["kind"] == "answer" else None
