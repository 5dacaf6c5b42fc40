"""A member's Wh between the ledger and the chain: withdrawals there, deposits back.

    POST /v1/me/withdrawals {"meter_point": 7, "register": "1-0:2.8.0", "wh": 5000}
    GET  /v1/me/withdrawals/12            when `claim` is there: POST it to /v1/me/calls
    POST /v1/me/deposits                  a name: retire Wh under it, and they are here again

Each post carries an `Idempotency-Key`: the same wish under the same key is done once. This
module must never show a member another's, nor let Wh go to an account that is not linked.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from pydantic import ConfigDict, Field, JsonValue

from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.stacks.withdrawals import returns, show, store
from meterseal_aggregator.stacks.withdrawals.ask import withdraw
from meterseal_aggregator.stacks.withdrawals.model import (
    MAX_KEY,
    Deposit,
    Moment,
    NotMade,
    Place,
    Teller,
    Way,
    Wish,
)
from meterseal_aggregator.stacks.withdrawals.show import Claimable, Shown
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import (
    no_chain,
    no_wallet,
    not_found,
    not_made,
    wrong_argument,
)
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_aggregator.web.wallets import PrincipalText, parse_principal
from meterseal_proto.c32 import Principal
from meterseal_proto.units import RegisterId, obis_text, parse_obis

router = APIRouter(prefix="/v1/me", tags=["wallets"])

MAX_OBIS: Final = 32
MAX_LISTED: Final = 100
"""Withdrawals a page: each is added up from as many as 96 parts."""
Few = Annotated[int, Query(ge=1, le=MAX_LISTED)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY,
        pattern=r"^[A-Za-z0-9._~-]+$",
    ),
]


class WithdrawalRequest(RequestBody):
    """At most `wh` of what a register was credited with; whole slots leave, oldest first.

    What goes on the chain is public for ever. By `way` "epoch" that is one sum, which you
    claim; "direct" has the oracle mint, and shows each slot's Wh. A register keeps its
    first way; "epoch" where none is said. `owner` is one of your linked accounts, where
    there are several.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"meter_point": 7, "register": "1-0:2.8.0", "wh": 5_000}
        }
    )

    meter_point: Annotated[int, Field(ge=1, le=MAX_ID)]
    register_code: Annotated[str, Field(alias="register", max_length=MAX_OBIS)]
    wh: Annotated[int, Field(ge=1, le=MAX_ID)]
    way: Annotated[str, Field(pattern=r"^(direct|epoch)$")] | None = None
    owner: PrincipalText | None = None


class PartView(View):
    """What the chain pays at once; `error` is its contract's, for what it refused."""

    start: int
    end: int
    wh: int
    state: str
    mint_id: str | None
    paid_wh: int | None
    txid: str | None
    error: int | None


class ClaimView(View):
    """A call for your wallet: post `arguments` to /v1/me/calls/FUNCTION, or anybody claims.

    It stays claimable until it is claimed, whenever that is.
    """

    function: str
    arguments: dict[str, JsonValue]


class WithdrawalView(View):
    """A withdrawal; `wh` left the ledger, `paid_wh` of it were paid on the chain so far."""

    id: int
    state: str
    meter_point: int
    obis: Annotated[str, Field(serialization_alias="register")]
    asked_wh: int
    wh: int
    paid_wh: int
    way: str
    owner: str
    asked_at: int


class WithdrawalDetail(WithdrawalView):
    """A withdrawal with its parts, and what to claim."""

    parts: list[PartView]
    claim: ClaimView | None


class DepositView(View):
    """`name`: the beneficiary under which Wh retired on the chain are credited to you here.

    `wh` is what came so far; a name may be used again.
    """

    id: int
    name: str
    wh: int
    opened_at: int


@router.post("/withdrawals", status_code=201)
async def ask_withdrawal(
    body: WithdrawalRequest, key: Key, access: Asking
) -> WithdrawalDetail:
    """Move credited Wh from the ledger to your account on the chain."""
    member = access.me(Action.USE_WALLETS)
    access.pace(access.site.wallets)
    teller = access.site.teller()
    if teller is None:
        raise no_chain()
    site = access.site
    moment = Moment(int(site.now()), int(site.real_now()))
    place = Place(body.meter_point, _register(body.register_code))
    way = None if body.way is None else Way(body.way)
    async with site.database.transaction() as tx:
        owner = await _owner(tx, member, body.owner)
        wish = Wish(member, key, place, body.wh, owner, way)
        try:
            made, _ = await withdraw(tx, teller, wish, moment)
        except NotMade as error:
            raise not_made(error.trouble.value, error.detail) from None
        (one,) = await show.shown(tx, [made])
        return await _detail(tx, teller, one)


@router.get("/withdrawals")
async def list_withdrawals(
    access: Asking, after: AfterId = 0, limit: Few = 50
) -> Page[WithdrawalView]:
    """List your withdrawals, oldest first."""
    member = access.me(Action.USE_WALLETS)
    async with access.site.database.reading() as tx:
        found = await store.of_member(tx, member, after=after, limit=limit)
        items = [_view(one) for one in await show.shown(tx, found)]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/withdrawals/{withdrawal_id}")
async def show_withdrawal(withdrawal_id: ById, access: Asking) -> WithdrawalDetail:
    """Show a withdrawal of yours: what became of each part, and what to claim."""
    member = access.me(Action.USE_WALLETS)
    async with access.site.database.reading() as tx:
        found = await store.one(tx, withdrawal_id)
        if found is None or found.member != member:
            raise not_found("withdrawal of yours")
        (one,) = await show.shown(tx, [found])
        return await _detail(tx, access.site.teller(), one)


@router.post("/deposits", status_code=201)
async def open_deposit(key: Key, access: Asking) -> DepositView:
    """Give out a name: what is retired on the chain under it is credited to you here."""
    member = _paced(access)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        found, _ = await returns.open_deposit(tx, member, key, now=now)
    return _deposit(found)


@router.get("/deposits")
async def list_deposits(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[DepositView]:
    """List your deposits' names and what came under them."""
    member = access.me(Action.USE_WALLETS)
    async with access.site.database.reading() as tx:
        found = await returns.deposits(tx, member, after=after, limit=limit)
    items = [_deposit(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _paced(access: Access) -> MemberId:
    member = access.me(Action.USE_WALLETS)
    access.pace(access.site.wallets)
    if access.site.teller() is None:
        raise no_chain()
    return member


async def _owner(tx: Transaction, member: MemberId, wanted: str | None) -> Principal:
    """Return the account the Wh go to; raises the answer where it is not the member's."""
    linked = [one.principal for one in await wallets.current(tx, member)]
    if wanted is not None:
        found = parse_principal(wanted, "owner")
        if found not in linked:
            raise no_wallet("this account is not linked to you: link it first")
        return found
    if len(linked) != 1:
        raise no_wallet(
            "several wallets are linked: say which by `owner`"
            if linked
            else "link a wallet first: POST /v1/me/wallet-challenges"
        )
    return linked[0]


def _register(text: str) -> RegisterId:
    try:
        return parse_obis(text)
    except ValueError as error:
        raise wrong_argument("register", str(error)) from None


def _view(one: Shown) -> WithdrawalView:
    asked = one.withdrawal
    return WithdrawalView(
        id=asked.id,
        state=one.state.value,
        meter_point=asked.place.meter_point,
        obis=obis_text(RegisterId(asked.place.register)),
        asked_wh=asked.asked_wh,
        wh=one.wh,
        paid_wh=one.paid,
        way=asked.way.value,
        owner=asked.owner.text(),
        asked_at=asked.asked_at,
    )


async def _detail(
    tx: Transaction, teller: Teller | None, one: Shown
) -> WithdrawalDetail:
    errors = await show.why_refused(tx, one)
    parts = [
        PartView(
            start=part.share.start,
            end=part.share.end,
            wh=part.share.wh,
            state=part.state.value,
            mint_id=part.share.mint_id.hex() if part.share.mint_id else None,
            paid_wh=part.paid,
            txid=part.txid,
            error=errors.get(part.id),
        )
        for part in one.parts
    ]
    found = None if teller is None else await show.claimable(tx, teller, one)
    plain = _view(one).model_dump()
    claim = None if found is None else _claim(found)
    return WithdrawalDetail(**plain, parts=parts, claim=claim)


def _claim(found: Claimable) -> ClaimView:
    of, slot = found.claim, found.claim.slot
    where: dict[str, JsonValue] = {
        "meter_point": slot.meter_point, "register": slot.register,
        "start": slot.start, "end": slot.end,
    }  # fmt: skip
    told: dict[str, JsonValue] = {
        "epoch": of.epoch, "index": of.index, "owner": of.owner.text(), "slot": where,
        "amount": of.amount,
    }  # fmt: skip
    siblings: Sequence[JsonValue] = [one.hex() for one in found.siblings]
    arguments: dict[str, JsonValue] = {"of": told, "siblings": list(siblings)}
    return ClaimView(function="energy-token.claim", arguments=arguments)


def _deposit(one: Deposit) -> DepositView:
    return DepositView(
        id=one.id, name=one.name.hex(), wh=one.wh, opened_at=one.opened_at
    )
