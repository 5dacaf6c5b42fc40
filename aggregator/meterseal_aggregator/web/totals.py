"""A community's totals: the operator fixes cells and sets and brings the trustees' answers.

The set is spelled as a trustee takes it, and answers as it gives them, so that whoever
carries them between the two changes nothing. A proved total and the headers it is over
are everybody's: that is all there is to check it. This module must never show a masked
opening, nor a total that is not proved.
"""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.privacy import totals
from meterseal_aggregator.privacy.totals import FixedSet, Total
from meterseal_aggregator.privacy.wholedays import MAX_MEMBERS
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking, TheSite
from meterseal_aggregator.web.limits import turn_of
from meterseal_aggregator.web.problems import bad_json, not_found
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    Site,
    View,
    cursor,
    parse_register,
)
from meterseal_proto.curve import ORDER
from meterseal_proto.reporting import MAX_DAY, Place, parse_quarter
from meterseal_proto.totals import Mask
from meterseal_proto.units import MeterId

router = APIRouter(prefix="/v1", tags=["totals"])

_CELL: Final = r"^[a-z0-9][a-z0-9-]{0,63}$"
CellName = Annotated[str, Path(pattern=_CELL)]
DayNumber = Annotated[int, Path(ge=0, lt=MAX_DAY)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seed = Annotated[str, Field(pattern=r"^[0-2]$")]


class CellRequest(RequestBody):
    """A cell for a quarter, e.g. 2026-Q4: the meters whose register is read together."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "cell": "street",
                "quarter": "2026-Q4",
                "register": "1-0:1.8.0",
                "meters": ["5f" * 16],
            }
        }
    )

    cell: Annotated[str, Field(pattern=_CELL)]
    quarter: Annotated[str, Field(pattern=r"^[0-9]{4}-Q[1-4]$")]
    obis: Annotated[str, Field(alias="register", min_length=1, max_length=24)]
    meters: Annotated[
        list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]],
        Field(min_length=1, max_length=MAX_MEMBERS),
    ]


class CellView(View):
    """How many meters a cell has."""

    cell: str
    quarter: str
    members: int


class MemberView(View):
    """A day in a set: its header in consensus bytes, and its revision."""

    header: str
    revision: int


class SetView(View):
    """A reporting set as a trustee takes it, and the statement trustees sign."""

    cell: str
    day: int
    statement: str
    members: list[MemberView]


class MaskRequest(RequestBody):
    """A sum of masks, as a trustee answers it."""

    value: Hex32
    blinding: Hex32


class AnswerRequest(RequestBody):
    """A trustee's answer: the sums of the seeds it holds; signatures are not asked here."""

    trustee: Annotated[int, Field(ge=0, le=2)]
    sums: Annotated[dict[Seed, MaskRequest], Field(min_length=1, max_length=3)]


class TotalRequest(RequestBody):
    """The answers of two trustees, or of all three."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "answers": [
                    {
                        "trustee": 0,
                        "sums": {"1": {"value": "00" * 32, "blinding": "00" * 32}},
                    }
                ]
            }
        }
    )

    answers: Annotated[list[AnswerRequest], Field(min_length=1, max_length=3)]


class TotalView(View):
    """A proved total: `value` Wh (or litres) of `count` homes; sum C = value V + blinding B."""

    set_id: int
    cell: str
    day: int
    value: int
    blinding: str
    statement: str
    count: int


async def _take_turn(site: TheSite, request: Request) -> None:
    """Let one address have no more than its rate of what costs us a whole set's reading."""
    turn_of(site.totals, request.client.host if request.client else "unknown")


PACED: Final = [Depends(_take_turn)]
"""What anybody may ask about totals goes at a rate."""


@router.post("/cells", status_code=201)
async def fix_cell(body: CellRequest, access: Asking) -> CellView:
    """Fix a cell for its quarter: for good, and no meter is in two."""
    access.allow(Action.MANAGE)
    wish = totals.Cell(
        body.cell,
        parse_quarter(body.quarter),
        parse_register(body.obis),
        tuple(MeterId(bytes.fromhex(meter)) for meter in body.meters),
    )
    async with access.site.database.transaction() as tx:
        await totals.fix_cell(tx, wish, now=int(access.site.now()))
        await _note(tx, access, "fix-cell", f"{body.cell} {body.quarter}")
    return CellView(cell=body.cell, quarter=body.quarter, members=len(wish.meters))


@router.post("/cells/{cell}/days/{day}/set", status_code=201)
async def fix_set(cell: CellName, day: DayNumber, access: Asking) -> SetView:
    """Fix the one set of a cell and day, after the day; again is the same set."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        fixed = await _fixed(tx, access.site, cell, day)
        await _note(tx, access, "fix-set", f"{cell} day {day}")
    return _set(fixed)


@router.post("/cells/{cell}/days/{day}/total", status_code=201)
async def settle(
    cell: CellName, day: DayNumber, body: TotalRequest, access: Asking
) -> TotalView:
    """Unmask a total by trustees' answers, prove it, and publish it; else nothing is kept."""
    access.allow(Action.MANAGE)
    sums = totals.merged({one.trustee: _sums(one) for one in body.answers})
    site = access.site
    place = Place(site.terms.genesis.network, cell, day)
    async with site.database.reading() as tx:
        fixed = await totals.the_set(tx, place, site.terms.genesis)
        if fixed is None:
            raise not_found("reporting set: fix it first")
        opened = await totals.opened(tx, fixed, sums)
    await asyncio.to_thread(totals.prove, fixed, opened)
    async with site.database.transaction() as tx:
        total = await totals.keep(tx, fixed, opened, now=int(site.now()))
        await _note(tx, access, "publish-total", f"{cell} day {day}")
    return total_view(total)


@router.get("/network/totals", dependencies=PACED)
async def list_totals(
    site: TheSite, after: AfterId = 0, limit: Limit = 100
) -> Page[TotalView]:
    """List proved totals in the order of their sets in the log."""
    async with site.database.reading() as tx:
        found = await totals.proved(tx, after=after, limit=limit)
    items = [total_view(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.set_id))


@router.get("/network/totals/{set_id}/set", dependencies=PACED)
async def give_set(set_id: ById, site: TheSite) -> SetView:
    """Give the headers a proved total is over: their sums add up to it."""
    async with site.database.reading() as tx:
        found = await totals.proved(tx, after=set_id - 1, limit=1)
        if not found or found[0].set_id != set_id:
            raise not_found("proved total")
        genesis = site.terms.genesis
        place = Place(genesis.network, found[0].cell, found[0].day)
        fixed = await totals.the_set(tx, place, genesis)
    assert fixed is not None
    return _set(fixed)


async def _note(tx: Transaction, access: Access, act: str, what: str) -> None:
    now = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, act, what, now=now)


async def _fixed(tx: Transaction, site: Site, cell: str, day: int) -> FixedSet:
    now = int(site.now())
    zone = await parameters.text_at(tx, Name.ZONE, now)
    genesis = site.terms.genesis
    place = Place(genesis.network, cell, day)
    return await totals.fix_set(tx, place, genesis, zone=zone, now=now)


def _sums(answer: AnswerRequest) -> dict[int, Mask]:
    found = {}
    for seed, pair in answer.sums.items():
        value, blinding = int(pair.value, 16), int(pair.blinding, 16)
        if max(value, blinding) >= ORDER:
            raise bad_json("a mask is below the group's order")
        found[int(seed)] = Mask(value, blinding)
    return found


def _set(fixed: FixedSet) -> SetView:
    members = [
        MemberView(header=day.header.consensus().hex(), revision=day.revision)
        for day in fixed.days
    ]
    return SetView(
        cell=fixed.place.cell,
        day=fixed.place.day,
        statement=fixed.statement.hex(),
        members=members,
    )


def total_view(total: Total) -> TotalView:
    """Return a proved total as it is shown."""
    return TotalView(
        set_id=total.set_id,
        cell=total.cell,
        day=total.day,
        value=total.value,
        blinding=total.blinding.hex(),
        statement=total.statement.hex(),
        count=total.count,
    )
