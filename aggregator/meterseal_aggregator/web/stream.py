"""What a member is told as it happens: server-sent events, and the same by pages.

    GET /v1/me/events                     text/event-stream: id, event (its kind), data (JSON)
    GET /v1/me/events?after=120           or Last-Event-ID: 120, as a browser says by itself
    GET /v1/me/event-log?after=120        for those who would rather ask now and then

The format and the coming back are the HTML standard's ("Server-sent events", 9.2). This
module must never keep events for somebody who does not read, nor ask the database for each
connection each second (`web.listeners` asks for all of them).
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Header, Query
from pydantic import ConfigDict, JsonValue
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from meterseal_aggregator.identity import events
from meterseal_aggregator.identity.events import Event
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.listeners import Listener, Watch
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    View,
    cursor,
)
from meterseal_proto.errors import Unavailable

router = APIRouter(prefix="/v1/me", tags=["events"])

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
"""The HTML standard (9.2.7) advises a comment about every 15 s: some proxies end what is
silent for longer, and a peer that went away is noticed."""
HEARTBEAT: Final = b": still here\n\n"
COME_BACK_MS: Final = 3_000
"""When a client whose stream ended connects again: soon, yet not at once after a restart."""
AT_ONCE: Final = 32
"""Events a write: 64 KiB at most, what a connection's buffer takes before it counts as full."""

_log = structlog.get_logger(__name__)


class EventView(View):
    """Something you were told: `kind` says of what, `body` what changed; a network second."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 120,
                "kind": "order",
                "body": {"id": 12, "state": "confirmed"},
                "at": 1_790_000_000,
            }
        }
    )

    id: int
    kind: str
    body: dict[str, JsonValue]
    at: int


LastId = Annotated[
    str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,18}$", max_length=18)
]


class EventStream(StreamingResponse):
    """A stream that has its place among all while it lasts, and gives it back.

    Raises Declined before anything is sent where there is no place, Unavailable when we stop.
    """

    media_type = MEDIA_TYPE

    def __init__(self, access: Access, member: int, after: int, newest: int) -> None:
        # X-Accel-Buffering: nginx would keep a stream back until its buffer is full.
        super().__init__(_nothing(), headers={"X-Accel-Buffering": "no"})
        self._access, self._member = access, member
        self._after, self._newest = after, newest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until somebody leaves: the client, its token, or we."""
        site, token = self._access.site, self._access.caller.token
        listener = Listener(self._member, token)
        watch = Watch(site.database, site.real_now)
        with site.listeners.listening(listener, watch, newest=self._newest):
            self.body_iterator = _lines(self._access, listener, self._after)
            await super().__call__(scope, receive, send)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events, for as long as you listen",
            "content": {
                MEDIA_TYPE: {
                    "example": "id: 120\nevent: order\n"
                    'data: {"id":12,"state":"confirmed"}\n\n'
                }
            },
        }
    },
)
async def follow_events(
    access: Asking,
    last: LastId = None,
    after: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
) -> EventStream:
    """Be told what happens to you as it happens (server-sent events).

    After `Last-Event-ID`, else after `after` (0: all there ever was), else from now on. Each
    id is a place to go on from. A token that ends ends its streams.
    """
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    async with access.site.database.reading() as tx:
        newest = await events.newest(tx)
    wanted = after if last is None else int(last)
    # A place beyond all there is was given out before the database was restored.
    place = newest if wanted is None else min(wanted, newest)
    return EventStream(access, member, place, newest)


@router.get("/event-log")
async def list_events(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[EventView]:
    """List what you were told, oldest first."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await events.told(tx, member, after=after, limit=limit)
    items = [
        EventView(id=one.id, kind=one.kind, body=json.loads(one.body), at=one.at)
        for one in found
    ]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


async def _lines(
    access: Access, listener: Listener, after: int
) -> AsyncIterator[bytes]:
    """Give what is sent: the place we begin at, then events, and comments while all is quiet."""
    # An id without data moves the client's place and tells it nothing (HTML 9.2.6).
    yield f"retry: {COME_BACK_MS}\nid: {after}\n\n".encode()
    while not listener.ended:
        listener.heard()
        try:
            async with access.site.database.reading() as tx:
                found = await events.told(
                    tx, listener.member, after=after, limit=AT_ONCE
                )
        except Unavailable as trouble:
            # It comes back where it was; an error in the middle of an answer says less.
            _log.warning("event_stream_ended", why=str(trouble))
            return
        if found:
            after = found[-1].id
            yield b"".join(map(_frame, found))
        if len(found) == AT_ONCE:
            continue
        while not await listener.called(HEARTBEAT_S):
            yield HEARTBEAT


def _frame(event: Event) -> bytes:
    # `tell` writes bodies as JSON in one line, in ASCII.
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.body}\n\n".encode()


async def _nothing() -> AsyncIterator[bytes]:
    """Give what a stream has before it has a place."""
    return
    yield b""  # what makes this a generator
