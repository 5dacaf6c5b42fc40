"""Members and their balances: a member sees himself, the operator all.

It must never show one member's account to another.
"""

from typing import Final

from fastapi import APIRouter
from pydantic import ConfigDict

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action, Member
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.model import WH, AccountCode
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Name,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_aggregator.web.wallets import WalletView, wallet_page

router = APIRouter(prefix="/v1/members", tags=["members"])

KINDS: Final = ("producer", "buyer", "retired", "debt")
"""The accounts of a member, `<kind>:<member>` in the ledger's chart."""


class MemberRequest(RequestBody):
    """A new member."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Ada"}})

    name: Name


class MemberView(View):
    """A member."""

    id: int
    name: str


class TenancyView(View):
    """A member's time at a meter point; `to_at` null is still there."""

    meter_point: int
    from_at: int
    to_at: int | None


class MemberDetail(MemberView):
    """A member with his meter points."""

    tenancies: list[TenancyView]


class BalanceView(View):
    """One account: `held` may be given on, `owed` must be repaid; Wh."""

    account: str
    asset: str
    held: int
    owed: int
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int


class BalancesView(View):
    """A member's accounts that are open."""

    items: list[BalanceView]


@router.post("", status_code=201)
async def add_member(body: MemberRequest, access: Asking) -> MemberView:
    """Add a member (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        member_id = await identity.add_member(tx, body.name, now=now)
        actor = access.caller.prefix
        await identity.note(tx, actor, "member", f"member {member_id}", now=now)
    return MemberView(id=member_id, name=body.name)


@router.get("")
async def list_members(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[MemberView]:
    """List members (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await identity.members(tx, after=after, limit=limit)
    items = [MemberView(id=member.id, name=member.name) for member in found]
    return Page(items=items, next=cursor(found, limit, _member_id))


@router.get("/{member_id}")
async def show_member(member_id: ById, access: Asking) -> MemberDetail:
    """Show a member and his meter points."""
    access.allow_member(Action.SEE_MEMBER, member_id)
    async with access.site.database.reading() as tx:
        member = await identity.member(tx, member_id)
        held = await registry.tenancies(tx, member_id=member_id)
    tenancies = [
        TenancyView(meter_point=t.meter_point_id, from_at=t.from_at, to_at=t.to_at)
        for t in held
    ]
    return MemberDetail(id=member.id, name=member.name, tenancies=tenancies)


@router.get("/{member_id}/balances")
async def show_balances(member_id: ById, access: Asking) -> BalancesView:
    """Show a member's accounts in the ledger."""
    access.allow_member(Action.SEE_BALANCES, member_id)
    codes = [AccountCode(f"{kind}:{member_id}") for kind in KINDS]
    async with access.site.database.reading() as tx:
        await identity.member(tx, member_id)
        found = await ledger.balances(tx, WH, codes)
    items = [
        BalanceView(
            account=account.code,
            asset=account.asset,
            held=account.held,
            owed=account.owed,
            debits_pending=account.debits_pending,
            debits_posted=account.debits_posted,
            credits_pending=account.credits_pending,
            credits_posted=account.credits_posted,
        )
        for account in (found[code] for code in codes if code in found)
    ]
    return BalancesView(items=items)


@router.get("/{member_id}/wallets")
async def show_wallets(
    member_id: ById, access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[WalletView]:
    """Show a member's accounts on the chain, for a registrar to know whose they are."""
    access.allow_member(Action.SEE_MEMBER, member_id)
    async with access.site.database.reading() as tx:
        found = await identity.member(tx, member_id)
        return await wallet_page(tx, found.id, after, limit)


def _member_id(member: Member) -> int:
    return member.id
