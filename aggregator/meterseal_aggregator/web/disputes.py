"""Disputes: opened and withdrawn by members, decided by operators.

    POST /v1/me/disputes {"bill": "2026-00000012", "reason": "..."}     with Idempotency-Key
    POST /v1/me/disputes {"trade": 12, "amount_micro": 500, "reason": "..."}
    GET  /v1/me/disputes, /v1/disputes?state=open
    POST /v1/disputes/3/decision {"verdict": "upheld", ...}

Only the disputed part waits: the rest of a bill is due, a member's other trades go on. This
module must never show a member another's dispute.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from pydantic import ConfigDict, Field, model_validator

from meterseal_aggregator.billing.model import MAX_NUMBER
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.disputes import decide as deciding
from meterseal_aggregator.disputes import open as opening
from meterseal_aggregator.disputes import store
from meterseal_aggregator.disputes.model import (
    MAX_LINES,
    MAX_REASON,
    Decided,
    Decision,
    Dispute,
    Remedy,
    State,
    Wish,
)
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["disputes"])

MAX_PAGE: Final = 100
Few = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9._~-]+$",
    ),
]
Text = Annotated[
    str,
    Field(min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$"),
]
Amount = Annotated[int, Field(ge=1, le=MAX_ID)]
StateFilter = Annotated[
    str | None, Query(pattern="^(" + "|".join(state.value for state in State) + ")$")
]


class DisputeRequest(RequestBody):
    """A bill by its number or a trade by its id, and what is wrong with it.

    Of a bill all of it, `lines` by their place from 1, or an amount in micro-units; of a
    trade all of it or an amount. `evidence` is the SHA-256 of what you can show, hex.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "bill": "2026-00000012",
                "lines": [2],
                "reason": "the meter was exchanged on the 3rd, the old one is billed on",
            }
        }
    )

    bill: Annotated[str, Field(min_length=1, max_length=MAX_NUMBER)] | None = None
    trade: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    amount_micro: Amount | None = None
    lines: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_LINES)]],
        Field(default_factory=list, max_length=MAX_LINES),
    ]
    reason: Text
    evidence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> "DisputeRequest":
        if (self.bill is None) == (self.trade is None):
            raise ValueError("name a bill or a trade")
        return self


class DecisionRequest(RequestBody):
    """How a dispute is decided: `amount_micro` of what is claimed is right.

    All of it is upheld, a part part-upheld, nothing rejected. `remedy` of what is upheld:
    correction, once the bill is corrected, or credit, paid to the member's money.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "verdict": "part-upheld",
                "remedy": "credit",
                "amount_micro": 1_250_000,
                "reason": "half of the standing charge was billed twice",
            }
        }
    )

    verdict: Annotated[str, Field(pattern="^(upheld|part-upheld|rejected)$")]
    remedy: Annotated[str, Field(pattern="^(none|correction|credit)$")] = "none"
    amount_micro: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    reason: Text


class DecisionView(View):
    """A decision; `hash` with its `salt` is what entry `log_entry` of the log holds."""

    verdict: str
    remedy: str
    amount_micro: int
    reason: str | None
    decided_at: int
    hash: str
    salt: str | None
    log_entry: int


class DisputeView(View):
    """A dispute; `frozen_micro` of a bill is not asked for while it is open.

    `trade_frozen`: the trade waits for the end. `late`: it should be decided by now.
    """

    id: int
    member: int
    bill: str | None
    trade: int | None
    asset: str
    claimed_micro: int
    frozen_micro: int
    trade_frozen: bool
    lines: list[int]
    reason: str | None
    evidence: str | None
    state: str
    opened_at: int
    decide_by: int
    late: bool
    ended_at: int | None
    decision: DecisionView | None


@router.post("/me/disputes", status_code=201)
async def open_dispute(wanted: DisputeRequest, access: Asking, key: Key) -> DisputeView:
    """Dispute a bill or a trade of yours; the same key again answers the same dispute."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    evidence = None if wanted.evidence is None else bytes.fromhex(wanted.evidence)
    wish = Wish(
        member, wanted.reason, key, wanted.amount_micro, tuple(wanted.lines), evidence
    )
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        if wanted.bill is not None:
            made = await opening.open_bill(tx, wanted.bill, wish, now=now)
        else:
            assert wanted.trade is not None
            made = await opening.open_trade(tx, wanted.trade, wish, now=now)
        return (await _views(tx, [made], now))[0]


@router.get("/me/disputes")
async def list_my_disputes(
    access: Asking, after: AfterId = 0, limit: Few = MAX_PAGE
) -> Page[DisputeView]:
    """List your disputes, oldest first."""
    member = access.me(Action.TRADE)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        found = await store.where(
            tx, "member_id = ? AND id > ?", (member, after), limit=limit
        )
        items = await _views(tx, found, now)
    return Page(items=items, next=cursor(found, limit, _row_id))


@router.post("/me/disputes/{dispute_id}/withdrawal")
async def withdraw_dispute(dispute_id: ById, access: Asking) -> DisputeView:
    """Withdraw a dispute of yours: what it froze goes on."""
    member = access.me(Action.TRADE)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        ended = await opening.withdraw(tx, dispute_id, member, now=now)
        return (await _views(tx, [ended], now))[0]


@router.get("/disputes")
async def list_disputes(
    access: Asking, state: StateFilter = None, after: AfterId = 0, limit: Few = MAX_PAGE
) -> Page[DisputeView]:
    """List all disputes, of one state where it is said, oldest first (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        found = await store.where(
            tx,
            "id > ? AND (? IS NULL OR state = ?)",
            (after, state, state),
            limit=limit,
        )
        items = await _views(tx, found, now)
    return Page(items=items, next=cursor(found, limit, _row_id))


@router.get("/disputes/{dispute_id}")
async def show_dispute(dispute_id: ById, access: Asking) -> DisputeView:
    """Show a dispute of yours, or any (operator)."""
    access.allow(Action.TRADE, owns=True)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        found = await store.dispute(tx, dispute_id)
        if access.caller.member not in (None, found.member):
            raise not_found("dispute of yours")
        return (await _views(tx, [found], now))[0]


@router.post("/disputes/{dispute_id}/decision")
async def decide_dispute(
    dispute_id: ById, wanted: DecisionRequest, access: Asking
) -> DisputeView:
    """Decide an open dispute, once and for ever (operator)."""
    access.allow(Action.MANAGE)
    made = Decision(
        State(wanted.verdict),
        Remedy(wanted.remedy),
        wanted.amount_micro,
        f"token:{access.caller.prefix}",
        wanted.reason,
    )
    now, real = int(access.site.now()), int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        ended, _ = await deciding.decide(tx, dispute_id, made, now=now, real_now=real)
        return (await _views(tx, [ended], now))[0]


async def _views(
    tx: Transaction, found: Sequence[Dispute], now: int
) -> list[DisputeView]:
    decided = await store.decisions(tx, [one.id for one in found])
    rows = await bills.bills_by_id(tx, [o.bill for o in found if o.bill is not None])
    numbers = {row.id: row.number for row in rows.values()}
    return [_view(one, decided.get(one.id), numbers, now) for one in found]


def _view(
    one: Dispute, decided: Decided | None, numbers: Mapping[int, str], now: int
) -> DisputeView:
    waiting = one.state is State.OPEN
    return DisputeView(
        id=one.id,
        member=one.member,
        bill=None if one.bill is None else numbers[one.bill],
        trade=one.trade,
        asset=one.asset,
        claimed_micro=one.claimed,
        frozen_micro=one.frozen,
        trade_frozen=one.held and waiting,
        lines=list(one.lines),
        reason=one.reason,
        evidence=None if one.evidence is None else one.evidence.hex(),
        state=one.state.value,
        opened_at=one.opened_at,
        decide_by=one.decide_by,
        late=waiting and now > one.decide_by,
        ended_at=one.ended_at,
        decision=None if decided is None else _decision(decided),
    )


def _decision(one: Decided) -> DecisionView:
    return DecisionView(
        verdict=one.verdict.value,
        remedy=one.remedy.value,
        amount_micro=one.amount,
        reason=one.reason,
        decided_at=one.decided_at,
        hash=one.hash.hex(),
        salt=None if one.salt is None else one.salt.hex(),
        log_entry=one.log_entry,
    )


def _row_id(row: Dispute) -> int:
    return row.id
