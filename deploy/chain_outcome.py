"""The street's contracts beside its aggregator's books: each figure from both, compared.

Supply, escrow and trades as the contracts answer and as the aggregator tells everybody
(`GET /v1/chain`); each holder's Wh and each root as its mirror keeps them; each root that
it says it published. This module must never call equal what it did not ask both for, nor
change a row.
"""

from collections.abc import Mapping
from typing import Any, Final

from deploy.api import Api
from deploy.processes import Processes, until
from deploy.story.mirror import Row, asked, balances
from deploy.story.scene import Scene
from deploy.story.walk import Line
from meterseal_aggregator.stacks.mirror import books
from meterseal_aggregator.storage.database import Database
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, Optional, Value

CAUGHT_UP_S: Final = 180.0
"""Four days of Bitcoin blocks are read block by block, on a machine that may be busy."""


def caught_up(api: Api, processes: Processes, height: int) -> None:
    """Wait until the aggregator has settled the chain up to a height."""

    def over() -> bool:
        return int(api.get("/v1/chain")["settled_height"]) >= height

    until(over, processes, CAUGHT_UP_S, f"block {height} in the aggregator's mirror")


async def compared(
    scene: Scene, own: Database, api: Api, names: Mapping[Principal, str]
) -> list[Row]:
    """Return what the street's contracts and its aggregator say of the same figures."""
    ours: Mapping[str, Any] = api.get("/v1/chain")  # Any: JSON
    held = {row["asset"]: row["amount"] for row in ours["held"]}
    async with own.reading() as tx:
        supply, kept = await books.supply(tx), await books.roots(tx)

    async def chain(function: str, *arguments: Value) -> str:
        return await asked(scene.walk, scene.at, function, *arguments)

    there = await chain("energy-token.get-total-supply")
    stx = await chain("trade-escrow.get-held", Optional())
    count = await chain("energy-oracle.get-anchor-count")
    rows = [
        Row("Wh there are", there, str(ours["supply_wh"])),
        *await balances(scene.walk, scene.at, supply.balances, names),
        Row("micro-STX in escrow", stx, held.get(None, "0")),
        Row("roots anchored", count, str(ours["anchors"])),
    ]
    told = {row["root"]: str(row["size"]) for row in api.pages("/v1/anchors")}
    for root in {one.root.hex(): None for one in kept} | dict.fromkeys(told):
        found = await chain("energy-oracle.get-root", Buffer(bytes.fromhex(root)))
        mirrored = {one.root.hex(): str(one.size) for one in kept}.get(root, "none")
        published = told.get(root, mirrored)
        both = mirrored if published == mirrored else f"{mirrored} or {published}"
        rows.append(Row(f"  entries under {root[:16]}..", found, both))
    return rows


def deeds(api: Api) -> list[Line]:
    """Return what the aggregator did on the chain by itself, each with its transaction."""
    return [
        Line("oracle", row["calls"], row["block"]["txid"])
        for row in api.pages("/v1/chain/deeds", state="confirmed")
    ]
