"""Notices: where a member wants to be told what, and what became of each (operator).

    PUT  /v1/members/3/notice-preferences {"language": "sw", "addresses": [{"way": "sms", ..}]}
    GET  /v1/notices?state=given-up
    POST /v1/notices/12/retry

A list of notices names no address and no words. This module must never show one member
where another is reached, nor a webhook's secret but to who has just given its URL.
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.erasure.store import erased
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.notices import outbox, preferences
from meterseal_aggregator.notices.model import USUAL, Address, Kind, State, Way
from meterseal_aggregator.notices.outlets.webhook import secret_text
from meterseal_aggregator.notices.preferences import MAX_ADDRESS, Wish, WrongAddress
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found, not_made, wrong_argument
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["notices"])

Kinds = Literal[
    "bill-issued", "bill-overdue", "trade-settled", "agent-silent", "dispute-decided"
]
Ways = Literal["email", "sms", "webhook"]
Tongue = Literal["en", "es", "fr", "sw", "hi"]
StateName = Literal["waiting", "sent", "given-up", "moot"]


class AddressRequest(RequestBody):
    """Where and of what: an email address, a number like +254700000000, or an https URL.

    Without `kinds` everything but trades, of which there may be 96 a day.
    """

    way: Ways
    address: Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS)]
    kinds: Annotated[list[Kinds], Field(min_length=1, max_length=len(Kind))] | None = (
        None
    )

    def read(self) -> Address:
        """Return it as the room knows it."""
        kinds = USUAL if self.kinds is None else frozenset(map(Kind, self.kinds))
        return Address(Way(self.way), self.address, kinds=kinds)


class PreferencesRequest(RequestBody):
    """How somebody wants to be told: it takes the place of what he said before."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "language": "sw",
                "addresses": [{"way": "sms", "address": "+254700000000"}],
            }
        }
    )

    language: Tongue
    addresses: Annotated[list[AddressRequest], Field(max_length=len(Way))]


class AddressView(View):
    """An address; `secret` signs a webhook's calls, and is shown as its URL is given."""

    way: str
    address: str
    kinds: list[str]
    secret: str | None


class PreferencesView(View):
    """How a member is told."""

    language: str
    addresses: list[AddressView]


class NoticeView(View):
    """A notice; `member` null went to the operator, `about` says of which bill or trade."""

    id: int
    member: int | None
    way: str
    kind: str
    about: str
    made_at: int
    state: str
    attempts: int
    next_at: int
    ended_at: int | None
    error: str


class RetryView(View):
    """A notice that is tried again."""

    id: int


@router.get("/members/{member_id}/notice-preferences")
async def show_preferences(member_id: ById, access: Asking) -> PreferencesView:
    """Show how a member wants to be told."""
    access.allow_member(Action.SEE_MEMBER, member_id)
    async with access.site.database.reading() as tx:
        await identity.member(tx, member_id)
        found = (await preferences.wishes(tx, [member_id]))[member_id]
    return _view(found, shown=frozenset())


@router.put("/members/{member_id}/notice-preferences")
async def keep_preferences(
    member_id: ById, body: PreferencesRequest, access: Asking
) -> PreferencesView:
    """Say how a member wants to be told: himself, or an operator for who has no phone."""
    access.allow_member(Action.SEE_MEMBER, member_id)
    access.pace(access.site.trades)
    wish = Wish(Language(body.language), tuple(one.read() for one in body.addresses))
    if len({one.way for one in wish.addresses}) < len(wish.addresses):
        raise wrong_argument("addresses", "one address a way")
    async with access.site.database.transaction() as tx:
        await identity.member(tx, member_id)
        if await erased(tx, member_id):
            raise not_made("erased", "this member was erased: nobody is to be told")
        before = (await preferences.wishes(tx, [member_id]))[member_id]
        try:
            now = int(access.site.now())
            kept = await preferences.keep(tx, member_id, wish, now=now)
        except WrongAddress as error:
            raise wrong_argument("addresses", str(error)) from None
        if access.caller.member is None:
            real = int(access.site.real_now())
            what = f"member {member_id}"
            prefix = access.caller.prefix
            await identity.note(tx, prefix, "notice-preferences", what, now=real)
    known = {one.to for one in before.addresses}
    return _view(kept, shown={one.to for one in kept.addresses} - known)


@router.get("/notices")
async def list_notices(
    access: Asking,
    state: StateName | None = None,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[NoticeView]:
    """List what was told, is to be told, or could not be (operator)."""
    access.allow(Action.MANAGE)
    wanted = None if state is None else State(state)
    async with access.site.database.reading() as tx:
        found = await outbox.notices(tx, after=after, limit=limit, state=wanted)
    items = [_notice(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.post("/notices/{notice_id}/retry")
async def retry_notice(notice_id: ById, access: Asking) -> RetryView:
    """Try a notice that was given up from the beginning, now that its cause is mended."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        now, real = int(access.site.now()), int(access.site.real_now())
        if not await outbox.again(tx, notice_id, now=now):
            raise not_found("notice that was given up")
        what = f"notice {notice_id}"
        await identity.note(tx, access.caller.prefix, "retry-notice", what, now=real)
    return RetryView(id=notice_id)


def _view(wish: Wish, shown: frozenset[str] | set[str]) -> PreferencesView:
    addresses = [
        AddressView(
            way=one.way.value,
            address=one.to,
            kinds=sorted(kind.value for kind in one.kinds),
            secret=secret_text(one.secret) if one.secret and one.to in shown else None,
        )
        for one in wish.addresses
    ]
    return PreferencesView(language=wish.language.value, addresses=addresses)


def _notice(one: outbox.Notice) -> NoticeView:
    return NoticeView(
        id=one.id,
        member=one.member,
        way=one.way.value,
        kind=one.kind.value,
        about=one.about,
        made_at=one.made_at,
        state=one.state.value,
        attempts=one.attempts,
        next_at=one.next_at,
        ended_at=one.ended_at,
        error=one.error,
    )
