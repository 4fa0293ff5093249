"""Those who work: they lease jobs, tell their stories within a time limit, and see their replies out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bots.conversation import Notice, apology, log_fault
from bots.inbox import MOST_ATTEMPTS, LeaseLostError
from bots.outcomes import RefusedError, UnsureError
from bots.replies import Replies
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.delivery import Delivery
    from bots.handlers import Handlers
    from bots.inbox import Inbox, Job, Pace

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0  # how soon the jobs of a process that died are noticed
LOOK_SECONDS = 0.5  # how soon what another process has put or set free is noticed
MOST_RELEASES = 10  # of one job: what can't be finished so often waits for another process
_SEVERAL_TIMES = "Sorry, this went wrong several times: please ask in another way."

Chat = TypeVar("Chat", bound=Replies)


class Workers(Generic[Chat]):
    """`answering` of them for what asks the engine, as many for all else, but at least two.

    `chat_of` makes the place of a job's exchange; `done` hears of each job that had its ending.
    """

    def __init__(
        self,
        inbox: Inbox,
        handlers: Handlers[Chat],
        delivery: Delivery[Any, Any],
        chat_of: Callable[[Job], Chat],
        *,
        answering: int,
        answer_seconds: float,
        done: Callable[[Job], None] = lambda _: None,
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._delivery = delivery
        self._chat_of = chat_of
        self._paces: list[Pace] = [*["slow"] * answering, *["quick"] * max(2, answering)]  # type: ignore[list-item]  # literals
        self._answer_seconds = answer_seconds
        self._done = done
        self._dropped: list[Job] = []

    async def run(self) -> None:
        """Work until cancelled; what is under way then is taken up by another process."""
        await self._inbox.recover()
        async with asyncio.TaskGroup() as group:
            for pace in self._paces:
                group.create_task(self._work(pace))
            group.create_task(self._beat())
            group.create_task(self._look_around())
            group.create_task(self._look_after())

    async def _beat(self) -> None:
        """By itself, so that a disk that is slow or full does not stop it."""
        while True:
            with contextlib.suppress(OSError):
                self._inbox.beat()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(UserFacingError):
                await self._inbox.look_around()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            with contextlib.suppress(UserFacingError):
                await self._inbox.recover()
                while self._dropped:
                    await self._inbox.release(self._dropped[-1])
                    self._dropped.pop()

    async def _work(self, pace: Pace) -> None:
        while True:
            try:
                job = await self._inbox.lease(pace)
                if job is None:
                    await self._inbox.wait(pace, seconds=IDLE_SECONDS)
                else:
                    await self._see_through(job)
            except Exception as error:  # noqa: BLE001 - one job, or a full disk, must not end a worker
                log_fault(error)
                await asyncio.sleep(1)

    async def _see_through(self, job: Job) -> None:
        try:
            await self.finish(job)
        except LeaseLostError:
            log.warning("another process has taken a job over: this one had stalled")
        except Exception:
            if job.attempts <= MOST_RELEASES:
                self._dropped.append(job)
            raise

    async def finish(self, job: Job) -> None:
        """A job to its ending. Raises LeaseLostError where it is another process's to end."""
        answered = job if job.parts is not None else await self._tell(job)
        outcome = "nothing to say" if answered is None else await self._delivery.deliver(answered)
        await self._inbox.finish(job, outcome)
        self._done(job)

    async def _tell(self, job: Job) -> Job | None:
        """Tell the story; the job with what is to be sent, or None where nothing is."""
        chat = self._chat_of(job)
        try:
            if job.attempts > MOST_ATTEMPTS:
                await self._excuse(chat, Notice(_SEVERAL_TIMES, mood="problem"))
            else:
                async with asyncio.timeout(self._answer_seconds):
                    await self._handlers.handle(job, chat)
        except LeaseLostError:
            raise
        except TimeoutError:
            await self._excuse(
                chat, Notice("Sorry, this took too long: please try a simpler question.", mood="problem")
            )
        except UserFacingError as error:
            await self._excuse(chat, Notice(str(error), mood="problem"))
        except RefusedError as refused:
            # We can't see the place; most often we can't write there either, which delivery finds out.
            notice = Notice(
                f"Sorry, {chat.platform} does not let me ({refused.code}): invite me to this channel.",
                mood="problem",
            )
            await self._excuse(chat, notice)
        except UnsureError as error:
            await self._excuse(chat, apology(log_fault(error)))
        except Exception as error:  # noqa: BLE001 - nobody who asked may be left without an ending
            await self._excuse(chat, apology(log_fault(error)))
        return chat.answered

    async def _excuse(self, chat: Chat, notice: Notice) -> None:
        if chat.answered is None and chat.job.kind not in self._handlers.silent:
            await chat.post_notice(notice)
