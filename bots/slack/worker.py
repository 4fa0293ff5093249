"""Those who work: they lease jobs, tell their stories within a time limit, and see their replies out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from bots.conversation import Notice, apology, log_fault
from bots.inbox import MOST_ATTEMPTS
from bots.slack.chat import SlackChat
from bots.slack.web import RefusedError, UnsureError
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from bots.inbox import Inbox, Job, Pace
    from bots.slack.delivery import Delivery
    from bots.slack.files import Files
    from bots.slack.handlers import Handlers
    from bots.slack.web import Workspaces

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # how soon the jobs of a process that died are noticed
_SEVERAL_TIMES = "Sorry, this went wrong several times: please ask in another way."
SILENT = {"home"}  # nobody waits for a word about these


class Workers:
    """`slow` of them for what asks the engine, `quick` ones for all else."""

    def __init__(
        self,
        inbox: Inbox,
        handlers: Handlers,
        delivery: Delivery,
        workspaces: Workspaces,
        files: Files,
        *,
        slow: int,
        quick: int,
        answer_seconds: float,
    ) -> None:
        self._inbox = inbox
        self._handlers = handlers
        self._delivery = delivery
        self._workspaces = workspaces
        self._files = files
        self._paces: list[Pace] = [*["slow"] * slow, *["quick"] * quick]  # type: ignore[list-item]  # literals
        self._answer_seconds = answer_seconds

    async def run(self) -> None:
        """Work until cancelled; what is under way then is taken up by the next process."""
        await self._inbox.recover()
        async with asyncio.TaskGroup() as group:
            for pace in self._paces:
                group.create_task(self._work(pace))
            group.create_task(self._look_after())

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            with contextlib.suppress(UserFacingError):
                await self._inbox.recover()

    async def _work(self, pace: Pace) -> None:
        while True:
            try:
                job = await self._inbox.lease(pace)
                if job is None:
                    await self._inbox.wait(pace, seconds=IDLE_SECONDS)
                else:
                    await self.finish(job)
            except Exception as error:  # noqa: BLE001 - one job, or a full disk, must not end a worker
                log_fault(error)
                await asyncio.sleep(1)

    async def finish(self, job: Job) -> None:
        """A job to its ending."""
        answered = job if job.parts is not None else await self._tell(job)
        outcome = "nothing to say" if answered is None else await self._delivery.deliver(answered)
        await self._inbox.finish(job, outcome)

    async def _tell(self, job: Job) -> Job | None:
        """Tell the story; the job with what is to be sent, or None where nothing is."""
        chat = SlackChat(job, self._inbox, self._workspaces, self._files)
        try:
            if job.attempts > MOST_ATTEMPTS:
                await self._excuse(chat, Notice(_SEVERAL_TIMES, mood="problem"))
            else:
                async with asyncio.timeout(self._answer_seconds):
                    await self._handlers.handle(job, chat)
        except TimeoutError:
            await self._excuse(
                chat, Notice("Sorry, this took too long: please try a simpler question.", mood="problem")
            )
        except UserFacingError as error:
            await self._excuse(chat, Notice(str(error), mood="problem"))
        except RefusedError as refused:
            # We can't see the place; most often we can't write there either, which delivery finds out.
            notice = Notice(
                f"Sorry, Slack does not let me ({refused.code}): invite me to this channel.", mood="problem"
            )
            await self._excuse(chat, notice)
        except UnsureError as error:
            await self._excuse(chat, apology(log_fault(error)))
        except Exception as error:  # noqa: BLE001 - nobody who asked may be left without an ending
            await self._excuse(chat, apology(log_fault(error)))
        return chat.answered

    async def _excuse(self, chat: SlackChat, notice: Notice) -> None:
        if chat.answered is None and chat.job.kind not in SILENT:
            await chat.post_notice(notice)
