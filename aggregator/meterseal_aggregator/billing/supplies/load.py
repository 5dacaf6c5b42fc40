"""Taking a file of members and meter points over: all of it or nothing, and once.

    done = await load(database, data, Order("operator", now, real), dry=True)

What is there already stays as it is, so the same file twice changes nothing; what is there
otherwise is a fault of its line. This module must never change what a row of the file
disagrees with, nor leave half a file behind.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.model import Cause, NewSupply, NotSupplied
from meterseal_aggregator.billing.supplies.sheet import (
    MAX_FAULTS,
    Fault,
    SheetRefused,
    SheetRow,
    read_sheet,
)
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.parameters.zone import zone_of
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import Refused, Tenancy
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.rehearsal import rehearsal

_DIGEST: Final = 16
"""Characters of a file's SHA-256 in the operators' trail: enough to find the file again."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who takes a file over, at which network second and at which real one."""

    actor: str
    now: int
    real: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file added, and how many of its rows added nothing."""

    members: int = 0
    meter_points: int = 0
    tenancies: int = 0
    supplies: int = 0
    unchanged: int = 0

    @property
    def added(self) -> int:
        """How many things were not there before."""
        return self.members + self.meter_points + self.tenancies + self.supplies

    def plus(self, other: "Loaded") -> "Loaded":
        """Return both together."""
        return Loaded(
            self.members + other.members,
            self.meter_points + other.meter_points,
            self.tenancies + other.tenancies,
            self.supplies + other.supplies,
            self.unchanged + other.unchanged,
        )


async def load(
    database: Database, data: bytes, order: Order, *, dry: bool = False
) -> Loaded:
    """Add what a CSV file says and is not there yet; `dry` only tells what that would be.

    Raises SheetRefused with the faults of the file, or of what it asks for.
    """
    async with database.reading() as tx:
        zone = zone_of(await text_at(tx, Name.ZONE, order.now))
    rows = read_sheet(data, zone)
    async with rehearsal(database, dry=dry) as tx:
        done = await _take(tx, rows, order)
        if done.added:
            told = (
                f"file {hashlib.sha256(data).hexdigest()[:_DIGEST]}: {done.added} added"
            )
            await identity.note(tx, order.actor, "import", told, now=order.real)
    return done


async def _take(tx: Transaction, rows: Sequence[SheetRow], order: Order) -> Loaded:
    done, faults = Loaded(), list[Fault]()
    for row in rows:
        try:
            added = await _add(tx, row, order)
        except (Refused, NotSupplied) as error:
            faults.append(Fault(row.line, error.detail))
            if len(faults) == MAX_FAULTS:
                break
            continue
        done = done.plus(added if added.added else replace(added, unchanged=1))
    if faults:
        raise SheetRefused(faults)
    return done


async def _add(tx: Transaction, row: SheetRow, order: Order) -> Loaded:
    done, member, point = Loaded(), None, None
    if row.member:
        known = await identity.member_named(tx, row.member)
        if known is None:
            member = await identity.add_member(tx, row.member, now=order.real)
            done = replace(done, members=1)
        else:
            member = known.id
    if row.meter_point:
        point, new = await _point(tx, row, order.now)
        done = replace(done, meter_points=int(new))
    if member is None or point is None or row.from_at is None:
        return done
    tenancy = Tenancy(member, point, row.from_at, row.to_at)
    done = replace(done, tenancies=int(await _tenancy(tx, tenancy)))
    if row.terms is not None:
        wanted = NewSupply(MemberId(member), point, row.terms, row.from_at, row.to_at)
        done = replace(done, supplies=int(await _supply(tx, wanted)))
    return done


async def _point(tx: Transaction, row: SheetRow, now: int) -> tuple[int, bool]:
    """Return the row's meter point, and whether it is new."""
    known = await registry.meter_point_named(tx, row.meter_point)
    home = await registry.meter_point_named(tx, row.home) if row.home else None
    if row.home and home is None:
        raise _fault(f"home: there is no meter point {row.home!r} before this line")
    if known is None:
        if home is None:
            return await write.add_meter_point(tx, row.meter_point, now=now), True
        first = (await registry.home_points(tx, home.id))[0]
        return await write.add_point_of_home(
            tx, row.meter_point, first, at=0, now=now
        ), True
    if home is not None and home.id not in await registry.home_points(tx, known.id):
        raise _fault(f"home: {row.meter_point!r} belongs to another one")
    return known.id, False


async def _tenancy(tx: Transaction, wanted: Tenancy) -> bool:
    """Begin a tenancy unless it is there; tells whether it is new.

    Who moved out since the file was written, or holds the home by another point's line,
    is there as well.
    """
    held = await registry.tenancies(
        tx, member_id=wanted.member_id, meter_point_id=wanted.meter_point_id
    )
    if any(one.from_at == wanted.from_at for one in held):
        return False
    await write.begin_tenancy(tx, wanted)
    return True


async def _supply(tx: Transaction, wanted: NewSupply) -> bool:
    """Begin a supply unless it is there; tells whether it is new."""
    begins = wanted.from_at
    for one in await store.held_by(tx, wanted.meter_point, begins, begins + 1):
        there = (one.member, one.from_at, one.terms)
        if there == (wanted.member, begins, wanted.terms):
            return False
    await store.begin(tx, wanted)
    return True


def _fault(detail: str) -> NotSupplied:
    return NotSupplied(Cause.FILE, detail)
