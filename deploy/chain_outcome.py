"""The street's contracts beside its aggregator's books: each figure from both, compared.

Supply, escrow and trades as the contracts answer and as the aggregator's mirror tells
everybody (`GET /v1/chain`); each root that it says it anchored, as the contract has it;
each holder's Wh, by the mirror's rules over what was printed. This module must never call
equal what it did not ask both for.
"""

from collections.abc import Mapping
from typing import Any, Final

from deploy.api import Api
from deploy.processes import Processes, until
from deploy.story.mirror import Row, asked, balances, listen
from deploy.story.scene import Scene
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, Optional

CAUGHT_UP_S: Final = 180.0
"""A day of Bitcoin blocks and more is read block by block."""


def caught_up(api: Api, processes: Processes, height: int) -> None:
    """Wait until the aggregator has settled the chain up to a height."""

    def over() -> bool:
        return int(api.get("/v1/chain")["settled_height"]) >= height

    until(over, processes, CAUGHT_UP_S, f"block {height} in the aggregator's mirror")


async def compared(scene: Scene, api: Api, names: Mapping[Principal, str]) -> list[Row]:
    """Return what the street's contracts and its aggregator say of the same figures."""
    ours: Mapping[str, Any] = api.get("/v1/chain")  # Any: JSON
    held = {row["asset"]: row["amount"] for row in ours["held"]}

    async def chain(function: str, *arguments: Any) -> str:  # Any: Clarity values
        return await asked(scene.walk, scene.at, function, *arguments)

    supply = await chain("energy-token.get-total-supply")
    stx = await chain("trade-escrow.get-held", Optional())
    count = await chain("energy-oracle.get-anchor-count")
    rows = [
        Row("Wh there are", supply, str(ours["supply_wh"])),
        *await balances(
            scene.walk, scene.at, await listen(scene.walk.node, scene.at), names
        ),
        Row("micro-STX in escrow", stx, held.get(None, "0")),
        Row("roots anchored", count, str(ours["anchors"])),
    ]
    last = ours["latest_anchor"]
    roots = [(row["root"], row["size"]) for row in api.pages("/v1/anchors")]
    roots.append((last["root"], last["size"]))
    for root, size in roots:
        found = await chain("energy-oracle.get-root", Buffer(bytes.fromhex(root)))
        rows.append(Row(f"  entries under {root[:16]}..", found, str(size)))
    return rows
