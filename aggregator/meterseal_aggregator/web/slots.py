"""Where a producer's export went, slot by slot: traded, fed in or kept; one Wh, one use.

    GET /v1/me/slots?after=1790003600-7

This module must never show a member another's slots.
"""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market import history
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import Limit, Page, View, cursor

router = APIRouter(prefix="/v1/me", tags=["market"])

AfterSlot = Annotated[str, Query(pattern=r"^\d{1,13}-\d{1,18}$")]
"""The cursor of a page: a slot's start and its meter point."""


class SlotView(View):
    """Of a settled slot: export + owed = traded + fed in + kept, Wh.

    `owed_wh` is what a correction took after it was used. `run` (1, 2, 3: the morning after,
    a month and three months later) said so last.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "meter_point": 7, "start": 1_790_003_600, "length": 3_600, "run": 1,
                "export_wh": 1_200, "traded_wh": 700, "fed_in_wh": 500, "kept_wh": 0,
                "owed_wh": 0, "at": 1_790_050_000,
            }
        }
    )  # fmt: skip

    meter_point: int
    start: int
    length: int
    run: int
    export_wh: int
    traded_wh: int
    fed_in_wh: int
    kept_wh: int
    owed_wh: int
    at: int


@router.get("/slots")
async def list_slots(
    access: Asking, after: AfterSlot = "0-0", limit: Limit = 100
) -> Page[SlotView]:
    """List what became of your settled slots' export, by time."""
    member = access.me(Action.TRADE)
    start, point = map(int, after.split("-"))
    async with access.site.database.reading() as tx:
        found = await history.uses_of(tx, member, after=(start, point), limit=limit)
    items = [SlotView(**asdict(one)) for one in found]
    return Page(items=items, next=cursor(items, limit, _cursor))


def _cursor(view: SlotView) -> str:
    return f"{view.start}-{view.meter_point}"
