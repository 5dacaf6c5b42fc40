"""How cells and days stand, for an operator: who signed, who did not and why, what came of it.

Reads what the duty keeps and adds nothing. This module must never show a masked opening,
nor sums of masks of a set whose total is not public.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.privacy import totals
from meterseal_aggregator.privacy.totals import Total
from meterseal_aggregator.privacy.trustees import store
from meterseal_aggregator.privacy.trustees.model import Said
from meterseal_aggregator.privacy.trustees.pinned import pinned
from meterseal_aggregator.privacy.wholedays import AbsentDay
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.reporting import Act, Place, quarter_of
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId

MAX_REFUSED: Final = 100
"""Refused deposits that are shown of a trustee; each is a person's work."""


class Stage(StrEnum):
    """How far a cell's day has come; each waits for what its name says."""

    ROSTER = "waiting-for-roster"
    HOMES = "waiting-for-homes"
    SIGNATURES = "waiting-for-signatures"
    MASKS = "waiting-for-masks"
    BLAME = "waiting-for-blame"
    TOTAL = "total"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Wait:
    """A trustee that is waited for: since when it is silent and what came, or its refusal."""

    trustee: int
    act: Act
    why: str
    detail: str
    since: int | None


@dataclass(frozen=True, slots=True)
class TrusteeState:
    """A trustee: since when it is `silent` and what came, and what it did with deposits.

    `kept` ones it signed, `waiting` ones it has not; of these it `refused` some.
    """

    key: TrusteeKey
    silent: tuple[int, str] | None
    kept: int
    waiting: int
    refused: tuple[tuple[MeterId, Said], ...]


@dataclass(frozen=True, slots=True)
class CellState:
    """A cell of a quarter: how many `lacking` seeds, who `signed` its roster, who has not."""

    cell: str
    quarter: int
    members: int
    lacking: int
    signed: tuple[int, ...]
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class DayState:
    """A cell's day: its `stage`, who is waited for, who is absent or to blame, its total."""

    stage: Stage
    homes: int
    set_id: int | None = None
    statement: bytes = b""
    waits: tuple[Wait, ...] = ()
    absent: tuple[AbsentDay, ...] = ()
    closed: str = ""
    blamed: tuple[MeterId, ...] = ()
    total: Total | None = None


async def trustees(tx: Transaction) -> list[TrusteeState]:
    """Return how the three trustees stand, or none where there are none."""
    known, silent = await pinned(tx), await store.silent(tx)
    found = []
    for key in () if known is None else known.keys:
        kept, there = await store.deposits_at(tx, key.number)
        refused = await store.refused_deposits(tx, key.number, MAX_REFUSED)
        since = silent.get(key.number)
        found.append(TrusteeState(key, since, kept, there - kept, tuple(refused)))
    return found


async def cells(tx: Transaction, since: int) -> list[CellState]:
    """Return the cells of a quarter and later ones."""
    found, silent = [], await store.silent(tx)
    for cell, quarter, members, roster, _ in await store.cells(tx, since):
        said = await store.said(tx, Act.ROSTER, roster)
        lacking = 0
        # A roster that was proposed lacks nobody's seeds, and what was signed stands.
        if not roster:
            lacking = len((await store.members(tx, cell, quarter)).lacking)
        waits = () if lacking else _waits(Act.ROSTER, said, silent)
        found.append(CellState(cell, quarter, members, lacking, _signed(said), waits))
    return found


async def day(tx: Transaction, place: Place, homes: int) -> DayState:
    """Return how a place stands; `homes` are those a set would be of now."""
    rows = await tx.rows(
        "SELECT r.id, r.statement, c.why, (SELECT count(*) FROM set_members m"
        " WHERE m.set_id = r.id) FROM reporting_sets r"
        " LEFT JOIN closed_sets c ON c.set_id = r.id WHERE r.cell = ? AND r.day = ?",
        (place.cell, place.day),
    )
    if not rows:
        return DayState(await _before(tx, place), homes)
    set_id, statement, closed, count = rows[0]
    absent = tuple(await store.absent(tx, set_id))
    known = (count, set_id, statement)
    found = await totals.proved(tx, after=set_id - 1, limit=1)
    if found and found[0].set_id == set_id:
        return DayState(Stage.TOTAL, *known, absent=absent, total=found[0])
    if closed is not None:
        blamed = await store.blamed(tx, set_id)
        return DayState(
            Stage.CLOSED, *known, absent=absent, closed=closed, blamed=tuple(blamed)
        )
    stage, waits = await _asking(tx, set_id)
    return DayState(stage, *known, waits, absent)


async def _before(tx: Transaction, place: Place) -> Stage:
    quarter = quarter_of(place.day)
    signed = [
        cell
        for cell, of, _, _, signatures in await store.cells(tx, quarter)
        if of == quarter and signatures == SEEDS
    ]
    return Stage.HOMES if place.cell in signed else Stage.ROSTER


async def _asking(tx: Transaction, set_id: int) -> tuple[Stage, tuple[Wait, ...]]:
    silent = await store.silent(tx)
    for act, stage in (
        (Act.SET, Stage.SIGNATURES),
        (Act.MASKS, Stage.MASKS),
        (Act.BLAME, Stage.BLAME),
    ):
        said = await store.said(tx, act, set_id)
        if act is Act.BLAME or len(_signed(said)) < SEEDS:
            return stage, _waits(act, said, silent)
    raise AssertionError("blame is the last step")


def _signed(said: Mapping[int, Said]) -> tuple[int, ...]:
    return tuple(n for n, one in sorted(said.items()) if one.signature is not None)


def _waits(
    act: Act, said: Mapping[int, Said], silent: Mapping[int, tuple[int, str]]
) -> tuple[Wait, ...]:
    """Return the trustees without a signature, each with the latest that is known of it."""
    found = []
    for number in range(SEEDS):
        one = said.get(number)
        if one is not None and one.signature is not None:
            continue
        if number in silent:
            since, why = silent[number]
            found.append(Wait(number, act, "silent", why, since))
        elif one is not None:
            found.append(Wait(number, act, one.why, one.detail, one.at))
        else:
            found.append(
                Wait(number, act, "not-asked-yet", "it is asked shortly", None)
            )
    return tuple(found)
