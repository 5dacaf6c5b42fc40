"""Operators' edits of exports, as tests make them: a span moved so much."""

from itertools import count
from typing import Final

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.packing import share
from meterseal_aggregator.vee.values import place_of
from meterseal_proto.units import EXPORT, RegisterId
from tests.support.street import STEP

_KEYS: Final = count(1)


async def edit_span(
    database: Database,
    meter: bytes,
    span: tuple[int, int],
    wh: int,
    *,
    now: int,
    register: RegisterId = EXPORT,
) -> None:
    """Let an operator say what a register moved in [begin, end)."""
    async with database.transaction() as tx:
        place = await place_of(tx, meter, register)
        wish = EditWish(place, *span, wh, "read on site", "op", f"edit-{next(_KEYS)}")
        await edit(tx, bytes(32), wish, now)


def shares(span: tuple[int, int], wh: int) -> dict[int, int]:
    """Return what such an edit says of each of its slots, by start."""
    slots = (span[1] - span[0]) // STEP
    return {span[0] + k * STEP: share(wh, k, slots) for k in range(slots)}
