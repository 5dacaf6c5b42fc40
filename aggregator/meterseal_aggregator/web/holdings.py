"""What a member has: his money and his Wh, now or at a moment, and each entry behind it.

    GET /v1/me/balances                   now
    GET /v1/me/balances?at=1790000000     as what counted then, as we know it now
    GET /v1/me/ledger?account=user

Balances of a moment come from the entries alone. This module must never show an account of
anybody else, nor write.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.ledger import asof
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import (
    arrears,
    buyer,
    debt,
    producer,
    retired,
    stake,
    user,
)
from meterseal_aggregator.ledger.model import (
    WH,
    Account,
    AccountCode,
    Asset,
    Entry,
    Phase,
)
from meterseal_aggregator.market.listings.model import listed
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    AfterId,
    Limit,
    Page,
    View,
    cursor,
)

router = APIRouter(prefix="/v1/me", tags=["holdings"])

KINDS: Final = (
    "user", "stake", "arrears", "producer", "buyer", "for-sale", "debt", "retired",
)  # fmt: skip
"""A member's accounts: three of money, then those of Wh."""
_PHASES: Final = {
    Phase.DIRECT: "moved",
    Phase.HOLD: "held",
    Phase.POST: "posted",
    Phase.VOID: "voided",
    Phase.EXPIRE: "expired",
}
At = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]
OfKind = Annotated[str | None, Query(pattern=f"^({'|'.join(KINDS)})$")]


class MoneyView(View):
    """Micro-units: what is free to spend, put aside for trades, staked, and owed by you."""

    free_micro: int
    in_escrow_micro: int
    staked_micro: int
    arrears_micro: int


class EnergyView(View):
    """Wh you made, bought, have for sale, used, and owe for a correction.

    What you used was netted on your bills, or retired on the chain: it is nobody's any more.
    """

    made_wh: int
    bought_wh: int
    for_sale_wh: int
    used_wh: int
    owed_wh: int


class HoldingsView(View):
    """What you have at the network second `at`, by what counted then."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": 1_790_000_000,
                "asset": "XTS",
                "money": {
                    "free_micro": 4_940_000,
                    "in_escrow_micro": 60_000,
                    "staked_micro": 0,
                    "arrears_micro": 0,
                },
                "energy": {
                    "made_wh": 1_200,
                    "bought_wh": 500,
                    "for_sale_wh": 0,
                    "used_wh": 300,
                    "owed_wh": 0,
                },
            }
        }
    )

    at: int
    asset: str
    money: MoneyView
    energy: EnergyView


class EntryView(View):
    """An entry of the ledger: `amount` went from `debit` to `credit`, or was put aside.

    `phase`: moved, held, posted (what was held moved), voided or expired (it did not).
    """

    seq: int
    id: str
    asset: str
    debit: str
    credit: str
    amount: int
    phase: str
    purpose: str
    reference: str
    hold: str | None
    effective_at: int
    recorded_at: int


@router.get("/balances")
async def show_holdings(access: Asking, at: At = None) -> HoldingsView:
    """Show your money and your Wh, now or as of a moment (effective time)."""
    member = access.me(Action.TRADE)
    if at is not None:
        # The cost of the past is that of every entry since the first.
        access.pace(access.site.trades)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        asset = (await terms_at(tx, now)).asset
        money = await _accounts(tx, asset, _money(member), at)
        energy = await _accounts(tx, WH, _energy(member), at)
    return HoldingsView(
        at=now if at is None else at,
        asset=asset,
        money=MoneyView(
            free_micro=money["user"].held,
            in_escrow_micro=money["user"].debits_pending,
            staked_micro=money["stake"].held,
            arrears_micro=money["arrears"].owed,
        ),
        energy=EnergyView(
            made_wh=energy["producer"].held,
            bought_wh=energy["buyer"].held,
            for_sale_wh=energy["for-sale"].held,
            used_wh=energy["retired"].held,
            owed_wh=energy["debt"].owed,
        ),
    )


@router.get("/ledger")
async def list_entries(
    access: Asking, after: AfterId = 0, limit: Limit = 100, account: OfKind = None
) -> Page[EntryView]:
    """List the ledger's entries of your accounts, or of one kind of them, oldest first."""
    member = access.me(Action.TRADE)
    now = int(access.site.now())
    wanted = asof.Page(after=after, limit=limit)
    async with access.site.database.reading() as tx:
        asset = (await terms_at(tx, now)).asset
        found: dict[int, Entry] = {}
        for of, codes in ((asset, _money(member)), (WH, _energy(member))):
            for kind, code in codes.items():
                if account in (None, kind):
                    found |= await asof.history(tx, of, code, wanted)
    items = [_entry(seq, found[seq]) for seq in sorted(found)[:limit]]
    return Page(items=items, next=cursor(items, limit, lambda view: view.seq))


def _money(member: int) -> dict[str, AccountCode]:
    return {
        "user": user(member),
        "stake": stake(member),
        "arrears": arrears(member),
    }


def _energy(member: int) -> dict[str, AccountCode]:
    return {
        "producer": producer(member),
        "buyer": buyer(member),
        "for-sale": listed(member),
        "debt": debt(member),
        "retired": retired(str(member)),
    }


async def _accounts(
    tx: Transaction, asset: Asset, codes: Mapping[str, AccountCode], at: int | None
) -> dict[str, Account]:
    """Return accounts by their kind, now or as of an effective second; empty where none is."""
    if at is None:
        found = await ledger.balances(tx, asset, codes.values())
    else:
        found = await asof.balance_as_of(tx, asset, codes.values(), effective_at=at)
    return {
        kind: found.get(code, Account(asset=asset, code=code))
        for kind, code in codes.items()
    }


def _entry(seq: int, entry: Entry) -> EntryView:
    moved = entry.transfer
    return EntryView(
        seq=seq,
        id=moved.id.hex(),
        asset=moved.asset,
        debit=moved.debit,
        credit=moved.credit,
        amount=moved.amount,
        phase=_PHASES[moved.phase],
        purpose=moved.purpose,
        reference=moved.reference.hex(),
        hold=moved.pending_id.hex() or None,
        effective_at=moved.effective_at,
        recorded_at=entry.recorded_at,
    )
