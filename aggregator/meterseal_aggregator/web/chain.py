"""Where our contracts are and what they hold, for everybody: the chain as we follow it.

Everything here is on the chain for anybody to read; who does not believe us asks a node.
This module must never count what is not settled, nor ask a node while somebody waits.
"""

from typing import Final

from fastapi import APIRouter
from pydantic import ConfigDict, JsonValue

from meterseal_aggregator.stacks.mirror import blocks, books
from meterseal_aggregator.web.auth import TheSite
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import View

router = APIRouter(prefix="/v1", tags=["chain"])

_EXAMPLE: Final[dict[str, JsonValue]] = {
    "contracts": "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM",
    "from_height": 22,
    "settled_height": 4711,
    "tip_height": 4718,
    "lag": 0,
    "looked_at": 1790003600,
    "minted_wh": 20400,
    "burned_wh": 1500,
    "supply_wh": 18900,
    "held": [{"asset": None, "amount": "507000"}],
    "open_trades": 3,
    "anchors": 1,
    "latest_anchor": {
        "size": 4096,
        "root": "5f" * 32,
        "txid": "a1" * 32,
        "height": 4680,
    },
    "unread_events": 0,
}


class HeldView(View):
    """What open trades hold of an asset, null for STX: its smallest units, in digits."""

    asset: str | None
    amount: str


class RootView(View):
    """An anchored checkpoint, and the transaction and block height that have it."""

    size: int
    root: str
    txid: str
    height: int


class ChainView(View):
    """Our contracts, as far as the chain is settled: what could vanish is not counted.

    `lag` is how many blocks below the node's tip we had read when we last looked. Amounts
    of energy in Wh.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": _EXAMPLE})

    contracts: str
    from_height: int
    settled_height: int
    tip_height: int
    lag: int
    looked_at: int
    minted_wh: int
    burned_wh: int
    supply_wh: int
    held: list[HeldView]
    open_trades: int
    anchors: int
    latest_anchor: RootView | None
    unread_events: int


@router.get("/chain")
async def show_chain(site: TheSite) -> ChainView:
    """Show the contracts' address, how far we follow the chain, and what they hold."""
    async with site.database.reading() as tx:
        known = await blocks.following(tx)
        if known is None:
            raise not_found("chain that is followed")
        top = await blocks.top(tx)
        supply = await books.totals(tx)
        held = await books.held(tx)
        trades = await books.open_trades(tx)
        last = await books.last_root(tx)
        unread = await blocks.odd(tx)
    return ChainView(
        contracts=known.publisher,
        from_height=known.start,
        settled_height=known.settled,
        tip_height=known.tip,
        lag=max(0, known.tip - (known.settled if top is None else top)),
        looked_at=known.looked_at,
        minted_wh=supply.minted,
        burned_wh=supply.burned,
        supply_wh=supply.total,
        held=[
            HeldView(asset=None if one is None else one.text(), amount=str(amount))
            for one, amount in held.items()
        ],
        open_trades=trades,
        anchors=0 if last is None else last.number + 1,
        latest_anchor=None if last is None else _root(last),
        unread_events=unread,
    )


def _root(last: books.AnchorPlace) -> RootView:
    return RootView(
        size=last.size, root=last.root.hex(), txid=last.txid, height=last.height
    )
