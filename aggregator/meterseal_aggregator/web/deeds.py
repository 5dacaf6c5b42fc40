"""What we do on the chain: every deed, what it cost, what is wrong with it and what to do.

    GET /v1/chain/deeds?state=open

For operators. It answers from our own tables and asks no node. This module must never
show a key, nor change a deed.
"""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import ConfigDict
from pydantic.config import JsonDict

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.stacks.node.port import Block
from meterseal_aggregator.stacks.outbox import standing
from meterseal_aggregator.stacks.outbox.advice import judge, told
from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.stacks.outbox.plan import Attempt
from meterseal_aggregator.stacks.outbox.standing import Standing
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import AfterId, Limit, Page, View, cursor

router = APIRouter(prefix="/v1/chain", tags=["chain"])


class Which(StrEnum):
    """Which deeds: those in one state, the open ones (wanted or sent), or all."""

    ALL = "all"
    OPEN = "open"
    WANTED = "wanted"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"


_STATES: Final[dict[Which, tuple[State, ...]]] = {
    Which.ALL: tuple(State),
    Which.OPEN: (State.WANTED, State.SENT),
}
_EXAMPLE: Final[JsonDict] = {
    "id": 12,
    "account": "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM",
    "name": "anchor 4711 " + "5e" * 32,
    "calls": "energy-oracle.anchor",
    "state": "sent",
    "nonce": 40,
    "wanted_at": 1_790_000_000,
    "settled_at": None,
    "tries": [
        {
            "txid": "ab" * 32,
            "fee_micro_stx": 1_000_000,
            "made_at": 1_790_000_005,
            "sent_at": 1_790_000_006,
            "cancels": False,
        }
    ],
    "block": None,
    "result": None,
    "wrong": "it pays all it may, 1000000 micro-STX, and is in no block",
    "do": "raise [stacks] fee_cap and restart, or wait until the chain asks less",
}


class TryView(View):
    """A signed transaction; one that `cancels` only uses the nonce. Unix seconds."""

    txid: str
    fee_micro_stx: int
    made_at: int
    sent_at: int | None
    cancels: bool


class BlockView(View):
    """Where it was seen: not for good before the deed is settled."""

    txid: str
    height: int
    block_id: str


class DeedView(View):
    """A deed: `wrong` and `do` are null while nothing is wrong. Real Unix seconds."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _EXAMPLE})

    id: int
    account: str
    name: str
    calls: str
    state: str
    nonce: int | None
    wanted_at: int
    settled_at: int | None
    tries: list[TryView]
    block: BlockView | None
    result: str | None
    wrong: str | None
    do: str | None


@router.get("/deeds")
async def list_deeds(
    access: Asking,
    state: Annotated[Which, Query()] = Which.ALL,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[DeedView]:
    """List what we do on the chain, oldest first (operator)."""
    access.allow(Action.MANAGE)
    site = access.site
    states = _STATES.get(state) or (State(state.value),)
    async with site.database.reading() as tx:
        found = await standing.page(tx, states, after=after, limit=limit)
    means, now = site.means(), int(site.real_now())
    items = []
    for one in found:
        advice = judge(one, means, now)
        items.append(_deed(one, advice.wrong, advice.do) if advice else _deed(one))
    return Page(items=items, next=cursor(found, limit, _id))


def _deed(one: Standing, wrong: str | None = None, do: str | None = None) -> DeedView:
    seen = one.block
    return DeedView(
        id=one.id,
        account=one.account,
        name=one.name,
        calls=one.calls,
        state=one.state.value,
        nonce=one.nonce,
        wanted_at=one.wanted_at,
        settled_at=one.settled_at,
        tries=[_try(attempt) for attempt in one.tries],
        block=None if seen is None else _block(seen),
        result=None if one.result is None else told(one.result),
        wrong=wrong,
        do=do,
    )


def _block(seen: Block) -> BlockView:
    return BlockView(txid=seen.txid, height=seen.height, block_id=seen.block_id)


def _try(one: Attempt) -> TryView:
    return TryView(
        txid=one.txid,
        fee_micro_stx=one.fee,
        made_at=one.made_at,
        sent_at=one.sent_at,
        cancels=one.cancels,
    )


def _id(one: Standing) -> int:
    return one.id
