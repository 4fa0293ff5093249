"""The pages of the look inside, one collection at a time, and the decisions on corrections.

A question is shown where it was asked, in the narrowest collection that it read, and counted there
only. Whoever may not see a collection is told the same as if there were none of that name.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import RedirectResponse, Response

from mmrag.errors import InvalidInput, NotFound, UserFacingError
from mmrag.service import html
from mmrag.service.admin import figures, plots
from mmrag.service.admin.door import COOKIE, SESSION_SECONDS, Door
from mmrag.service.admin.grouping import grouped
from mmrag.service.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mmrag.config import Settings
    from mmrag.ports import ServedEngine
    from mmrag.service.admin.door import Visitor
    from mmrag.storage.keys import ApiKeys
    from mmrag.types import Day

PATH = "/admin"

_log = logging.getLogger(__name__)

_FORM_BYTES = 10_000
_READ_EXCHANGES = 2_000  # of a period, to be grouped
_SHOWN = 100
_GLANCE = 5

Period = Annotated[int, Query(alias="days")]


@dataclass(frozen=True, slots=True)
class _Place:
    """A collection as the overview shows it."""

    name: str
    href: str
    totals: Day
    documents: int
    waiting: int
    spark: str


def admin_router(engine: ServedEngine, settings: Settings, keys: ApiKeys, secret: bytes) -> APIRouter:
    """The look inside, with the door that these settings describe. Raises InvalidSettings."""
    router = APIRouter(prefix=PATH, include_in_schema=False)
    pages = _Pages(engine, settings, Door(settings, keys, secret))
    for path, show in (
        ("", pages.overview),
        ("/in/{collection}", pages.collection),
        ("/in/{collection}/questions", pages.questions),
        ("/in/{collection}/documents", pages.documents),
        ("/in/{collection}/corrections", pages.corrections),
    ):
        router.add_api_route(path, show, methods=["GET", "HEAD"])
    router.add_api_route("/enter", pages.enter, methods=["POST"])
    router.add_api_route("/leave", pages.leave, methods=["POST"])
    router.add_api_route("/in/{collection}/corrections/{proposal_id}", pages.decide, methods=["POST"])
    return router


class _Pages:
    def __init__(self, engine: ServedEngine, settings: Settings, door: Door) -> None:
        self._engine = engine
        self._settings = settings
        self._door = door
        self._root = f"{html.base_path(settings)}{PATH}"

    # ----------------------------------------------------------------- what is seen

    def overview(self, request: Request, days: Period = 30) -> Response:
        """Every collection that the visitor may see; the only one at once."""

        def show(visitor: Visitor) -> Response:
            insight, now, period = self._engine.insight, time.time(), _period(days)
            names = [name for name in insight.places() if visitor.may_see(name)]
            if len(names) == 1:
                return self._to(self._inside(names[0]))
            since = figures.begin_of(period, now=now)
            by_name = {name: insight.days(name, since=since) for name in names}
            return self._page(
                visitor,
                "overview.html",
                period=period,
                here=self._root,
                places=[self._place(name, by_name[name], period, now) for name in names],
                **self._plotted(chain.from_iterable(by_name.values()), period, now),
                cache=self._engine.cache_size() if visitor.sees_all else None,
            )

        return self._shown(request, show)

    def collection(self, request: Request, collection: str, days: Period = 30) -> Response:
        """One collection at a glance."""

        def show(visitor: Visitor) -> Response:
            insight, now, period = self._engine.insight, time.time(), _period(days)
            since = figures.begin_of(period, now=now)
            unanswered = insight.unanswered(collection, since=since, limit=_READ_EXCHANGES)
            uses = insight.uses(collection, since=since)
            stages = figures.stages(insight.durations(collection, since=since))
            cached = insight.durations(collection, since=since, cached=True).get("total", [])
            return self._page(
                visitor,
                "collection.html",
                collection=collection,
                part="",
                period=period,
                here=self._inside(collection),
                **self._plotted(insight.days(collection, since=since), period, now),
                groups=grouped(unanswered)[:_GLANCE],
                uses=[use for use in uses if use.answers][:_GLANCE],
                unused=sum(not use.answers for use in uses),
                documents=len(uses),
                waiting=len(insight.proposals(collection)),
                stages=plots.stage_bars(stages),
                cached_ms=figures.quantile(cached, 0.5) if cached else None,
            )

        return self._shown(request, show, collection)

    def questions(self, request: Request, collection: str, days: Period = 30) -> Response:
        """What was not answered, grouped, and what was answered wrong."""

        def show(visitor: Visitor) -> Response:
            insight, period = self._engine.insight, _period(days)
            since = figures.begin_of(period, now=time.time())
            groups = grouped(insight.unanswered(collection, since=since, limit=_READ_EXCHANGES))
            return self._page(
                visitor,
                "questions.html",
                collection=collection,
                part="/questions",
                period=period,
                here=self._inside(collection),
                groups=groups[:_SHOWN],
                more=max(0, len(groups) - _SHOWN),
                rated_down=insight.rated_down(collection, since=since, limit=_SHOWN),
            )

        return self._shown(request, show, collection)

    def documents(self, request: Request, collection: str, days: Period = 90) -> Response:
        """Every document by how often it answered, and those that never did."""

        def show(visitor: Visitor) -> Response:
            period = _period(days)
            uses = self._engine.insight.uses(collection, since=figures.begin_of(period, now=time.time()))
            return self._page(
                visitor,
                "documents.html",
                collection=collection,
                part="/documents",
                period=period,
                here=self._inside(collection),
                used=[use for use in uses if use.answers],
                unused=[use for use in uses if not use.answers],
                most=max((use.answers for use in uses), default=1),
            )

        return self._shown(request, show, collection)

    def corrections(self, request: Request, collection: str, done: str = "") -> Response:
        """Corrections that wait, each to be approved or rejected."""

        def show(visitor: Visitor) -> Response:
            return self._page(
                visitor,
                "corrections.html",
                collection=collection,
                part="/corrections",
                period=None,
                here=self._inside(collection),
                proposals=self._engine.insight.proposals(collection),
                token=self._door.form_token(visitor),
                done=done if done in ("approved", "rejected") else "",
            )

        return self._shown(request, show, collection)

    # ----------------------------------------------------------------- what is done

    async def decide(self, request: Request, collection: str, proposal_id: str) -> Response:
        """Approve or reject a correction."""
        form = await _form(request)

        def act(visitor: Visitor) -> Response:
            if not self._door.sent_by(visitor, form.get("token", "")):
                raise InvalidInput("This form is too old: go back, load the page again and decide there.")
            decision = form.get("decision")
            if decision not in ("approved", "rejected"):
                raise InvalidInput("Approve or reject: the form said neither.")
            self._engine.decide(proposal_id, approved=decision == "approved", collections=[collection])
            _log.info("A correction was %s by %s.", decision, visitor.id)
            return self._to(f"{self._inside(collection)}/corrections?done={decision}")

        return await run_in_threadpool(self._shown, request, act, collection)

    async def enter(self, request: Request) -> Response:
        """Begin a session with an API key."""
        form = await _form(request)
        session = await run_in_threadpool(self._door.session, form.get("key", "").strip())
        if session is None:
            return self._login(wrong=True)
        response = self._to(self._root)
        response.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_SECONDS,
            path=self._root,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https" or self._settings.public_url.startswith("https://"),
        )
        return response

    async def leave(self) -> Response:
        """End the session of this browser."""
        response = self._to(self._root)
        response.delete_cookie(COOKIE, path=self._root)
        return response

    # --------------------------------------------------------------------- helpers

    def _shown(
        self, request: Request, show: Callable[[Visitor], Response], collection: str | None = None
    ) -> Response:
        """The page for who may see it; else the way in, or what went wrong."""
        try:
            visitor = self._door.visitor(request)
            if visitor is None:
                return self._login()
            if collection is not None and not (
                visitor.may_see(collection) and collection in self._engine.insight.places()
            ):
                raise NotFound("There is no collection of this name that you may see.")
            return show(visitor)
        except UserFacingError as error:
            return html.page(
                "notice.html",
                self._settings,
                status=problem_of(error).status_code,
                heading="That did not work",
                sentence=str(error),
            )

    def _page(self, visitor: Visitor, template: str, **values: Any) -> Response:  # noqa: ANN401 - for the template
        return html.page(
            f"admin/{template}",
            self._settings,
            root=self._root,
            visitor=visitor,
            periods=figures.PERIODS,
            percent=figures.percent,
            **values,
        )

    def _login(self, *, wrong: bool = False) -> Response:
        return html.page("admin/login.html", self._settings, status=401, root=self._root, wrong=wrong)

    def _to(self, address: str) -> Response:
        return RedirectResponse(address, status_code=303, headers=html.SECURITY | html.PRIVATE)

    def _inside(self, collection: str) -> str:
        return f"{self._root}/in/{quote(collection, safe='')}"

    def _place(self, name: str, days: Iterable[Day], period: int, now: float) -> _Place:
        spread = figures.calendar(days, period=period, now=now)
        return _Place(
            name,
            self._inside(name),
            figures.together(spread, since=spread[0].date),
            len(self._engine.insight.uses(name, since=now)),
            len(self._engine.insight.proposals(name)),
            plots.spark(spread),
        )

    def _plotted(self, days: Iterable[Day], period: int, now: float) -> dict[str, Any]:
        spread = figures.calendar(days, period=period, now=now)
        return {
            "totals": figures.together(spread, since=spread[0].date),
            "spread": spread,
            "bars": plots.day_bars(spread),
            "plot": plots,
        }


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; nothing of one that is too large to be ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", errors="replace"))
    return {name: values[0] for name, values in fields.items()}


def _period(days: int) -> int:
    return min(figures.PERIODS, key=lambda known: abs(known - days))
