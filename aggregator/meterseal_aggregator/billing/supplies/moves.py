"""Moving in and moving out, each one act: the tenancy and what is supplied in it.

    await move_in(tx, Arrival(member, point, from_at, {point: Terms("residential")}))
    left = await move_out(tx, point, at=at)

Who moves out ends his supplies at the same second, so what is left to bill has an end, and
its bill is the final one. This module must never let the next tenant's time begin before
the last one's is over: readings and bills belong to whoever held the meter point.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.model import (
    Cause,
    NewSupply,
    NotSupplied,
    Supply,
    Terms,
)
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Arrival:
    """A member moves into a home at `from_at`; `supplies` has terms by meter point of it."""

    member: MemberId
    meter_point: int
    from_at: int
    supplies: Mapping[int, Terms]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came of it: the tenancy's row at the named point, and the supplies begun."""

    tenancy: int
    supplies: tuple[Supply, ...]


@dataclass(frozen=True, slots=True)
class Departed:
    """Who moved out, and his supplies that end there: each gets a final bill."""

    member: MemberId
    supplies: tuple[Supply, ...]


async def move_in(tx: Transaction, arrival: Arrival) -> Arrived:
    """Begin a tenancy of a home, and what is supplied in it.

    Raises Refused of the registry (OVERLAP, NOT_FOUND), NotSupplied.
    """
    begins = arrival.from_at
    tenancy = Tenancy(arrival.member, arrival.meter_point, begins, None)
    made = await write.begin_tenancy(tx, tenancy)
    begun = [
        await store.begin(tx, NewSupply(arrival.member, point, terms, begins))
        for point, terms in sorted(arrival.supplies.items())
    ]
    return Arrived(made, tuple(begun))


async def move_out(tx: Transaction, meter_point: int, *, at: int) -> Departed:
    """End the open tenancy of a home at `at`, and whatever is still supplied in it.

    Raises NotSupplied where something is billed beyond, or begins then or later; Refused
    of the registry where nobody lives there.
    """
    homes = await registry.home_points(tx, meter_point) or [meter_point]
    ended = []
    for point in homes:
        for one in await store.held_by(tx, point, at, store.FOR_EVER):
            if one.from_at >= at:
                detail = (
                    f"supply {one.id} begins at {one.from_at}: he cannot leave before"
                )
                raise NotSupplied(Cause.OVERLAP, detail)
            ended.append(await store.end(tx, one.id, at=at))
    member = await write.end_tenancy(tx, meter_point, at=at)
    return Departed(MemberId(member), tuple(ended))
