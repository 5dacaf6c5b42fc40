"""Whatever is asked in whatever order, and with one trustee corrupt: no answers open a few.

The adversary is the operator: it knows every header, chooses every set, asks the two honest
trustees in any order, shows each one what it likes, and signs as the third itself.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meterseal_proto.reporting import (
    LATE,
    Act,
    Place,
    Reported,
    sign,
    statement,
)
from meterseal_proto.totals import K_MIN, mask_of, summed
from meterseal_trustee.model import Answer
from meterseal_trustee.rules import Refused
from tests.support.trustee_rig import Three, three
from tests.support.trusteeship import CHAIN_ID, DAY, NETWORK, houses, roster_of

NORTH, SOUTH = houses(1, 32), houses(101, 32)
STREET = [*NORTH, *SOUTH]
SEEDS_OF = {house.meter: house.seeds for house in STREET}
CORRUPT = 2
SECRET_SEED = 2
"""The seed the corrupt trustee lacks: the honest ones' answers of it are all that is new."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A set the operator would like signed: `count` houses of the street from `first` on.

    `odd` changes one member: a seal of another day, revised, or named twice.
    """

    cell: str
    day: int
    first: int
    count: int
    odd: str

    def seals(self) -> list[Reported]:
        chosen = [
            STREET[(self.first + at) % len(STREET)].seal(self.day)
            for at in range(self.count)
        ]
        one = chosen[0]
        house = STREET[self.first % len(STREET)]
        match self.odd:
            case "other day":
                chosen[0] = house.seal(self.day - 1)
            case "revised":
                chosen[0] = Reported(one.header, 1)
            case "twice":
                chosen.append(one)
            case "other seal":
                chosen[0] = house.seal(self.day, seq=7)
        return chosen


ODD = (*[""] * 9, "other day", "revised", "twice", "other seal")
STARTS = {
    "north": (0, 0, 1, 8, 12),
    "south": (32, 40, 44, 63),
    LATE: (0, 5, 12, 20, 40),
}


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Sets that are mostly nearly right: what is far off is refused at once."""
    cell = draw(st.sampled_from(("north", "south", LATE, LATE)))
    return Wish(
        cell,
        draw(st.sampled_from((DAY, DAY, DAY, DAY, DAY - 1, DAY + 5))),
        draw(st.sampled_from(STARTS[cell])),
        draw(st.sampled_from((K_MIN, K_MIN, K_MIN + 1, 24, K_MIN - 1))),
        draw(st.sampled_from(ODD)),
    )


DEEDS = st.lists(
    st.tuples(wishes(), st.sampled_from((2, 2, 2, 2, 0, 1)), st.booleans()),
    min_size=8,
    max_size=16,
)
BOTH = CORRUPT
OVERLAPPING = [
    (Wish("north", DAY, 0, K_MIN, ""), BOTH, True),
    (Wish(LATE, DAY, 5, K_MIN, ""), BOTH, True),
    (Wish("north", DAY, 0, K_MIN + 1, ""), BOTH, True),
]
TWO_SETS = [
    (Wish("north", DAY, 0, K_MIN, ""), 0, False),
    (Wish("north", DAY, 0, K_MIN + 1, ""), 1, False),
    (Wish("south", DAY, 32, K_MIN, ""), 0, False),
    (Wish("south", DAY, 32, K_MIN, "revised"), 1, True),
]


@dataclass(slots=True)
class Operator:
    """Asks, keeps every signature and every answer, and forges the third trustee's."""

    trustees: Three
    signed: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    named: dict[bytes, tuple[Place, list[Reported]]] = field(default_factory=dict)
    answers: list[tuple[int, bytes, Answer]] = field(default_factory=list)

    async def bring(self, wish: Wish, to: int) -> None:
        """Bring a set to trustee 0, 1, or (2) to both; then ask all for their masks."""
        place = Place(NETWORK, wish.cell, wish.day)
        seals = wish.seals()
        for number in (0, 1) if to == CORRUPT else (to,):
            try:
                made = await self.trustees.desks[number].report(place, seals)
            except Refused:
                continue
            self.signed.setdefault(made.statement, {})[number] = made.signature
            self.named[made.statement] = (place, seals)

    async def ask(self) -> None:
        key = self.trustees.secrets[CORRUPT].sign
        for stated, by in self.signed.items():
            third = sign(key, Act.SET, stated)
            any_one = next(iter(by.values()))
            shown = [by.get(0, any_one), by.get(1, any_one), third]
            for number in (0, 1):
                desk = self.trustees.desks[number]
                try:
                    answer = await desk.answer(self.named[stated][0], stated, shown)
                except Refused:
                    continue
                self.answers.append((number, stated, answer))


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settled")

    async def settle() -> None:
        async with three(folder) as trustees:
            cells = roster_of(NORTH), roster_of(SOUTH, "south")
            await trustees.settle(STREET, *cells)

    asyncio.run(settle())
    return folder


SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.deep
@SLOW
@given(DEEDS)
@example(OVERLAPPING)
@example(TWO_SETS)
def test_no_requests_open_fewer_than_twenty_meters(
    settled: Path, deeds: list[tuple[Wish, int, bool]]
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="trustees-"))

    async def play() -> None:
        async with three(folder, like=settled) as trustees:
            operator = Operator(trustees)
            for wish, to, asks in deeds:
                await operator.bring(wish, to)
                if asks:
                    await operator.ask()
            await operator.ask()
            check(operator)
            for findings in (await trustees.audits())[:CORRUPT]:
                assert [one for one in findings if not one.ok] == []

    try:
        asyncio.run(play())
    finally:
        shutil.rmtree(folder)


def check(operator: Operator) -> None:
    """Hold the laws over everything that was answered."""
    one_set: dict[tuple[str, int], bytes] = {}
    for _, stated, _ in operator.answers:
        place, seals = operator.named[stated]
        assert one_set.setdefault((place.cell, place.day), stated) == stated
        assert statement(place, seals, CHAIN_ID) == stated
    rows = [
        frozenset(one.place() for one in operator.named[stated][1])
        for stated in set(one_set.values())
    ]
    assert smallest_opened(rows) >= K_MIN
    for number, stated, answer in operator.answers:
        again = [a for n, s, a in operator.answers if (n, s) == (number, stated)]
        assert all(one.sums == answer.sums for one in again)
        _, seals = operator.named[stated]
        masks = [
            mask_of(SEEDS_OF[one.header.meter][SECRET_SEED], one.place())
            for one in seals
        ]
        assert answer.sums[SECRET_SEED] == summed(masks)


def smallest_opened(rows: Sequence[frozenset[bytes]]) -> int:
    """Return the fewest masks that any combination of sums adds up, exactly.

    Over the rationals, from the reduced rows and every combination of them with factors
    of -2 to 2; K_MIN when there are no rows.
    """
    smallest = K_MIN
    for combination in combinations(reduced(rows)):
        smallest = min(smallest, len(combination))
    return smallest


def combinations(
    rows: Sequence[dict[bytes, Fraction]],
) -> Iterator[dict[bytes, Fraction]]:
    for factors in itertools.product(range(-2, 3), repeat=len(rows)):
        found: dict[bytes, Fraction] = {}
        for factor, row in zip(factors, rows, strict=True):
            for column, value in row.items():
                found[column] = found.get(column, Fraction(0)) + factor * value
        left = {column: value for column, value in found.items() if value}
        if left:
            yield left


def reduced(rows: Sequence[frozenset[bytes]]) -> list[dict[bytes, Fraction]]:
    """Return the reduced row echelon form of rows of ones, over the rationals."""
    done: dict[bytes, dict[bytes, Fraction]] = {}
    for row in rows:
        left = dict.fromkeys(row, Fraction(1))
        for pivot, known in done.items():
            subtract(left, known, left.get(pivot, Fraction(0)))
        if not left:
            continue
        pivot = min(left)
        scale = left[pivot]
        fresh = {column: value / scale for column, value in left.items()}
        for known in done.values():
            subtract(known, fresh, known.get(pivot, Fraction(0)))
        done[pivot] = fresh
    return list(done.values())


def subtract(
    row: dict[bytes, Fraction], other: dict[bytes, Fraction], times: Fraction
) -> None:
    for column, value in other.items():
        left = row.get(column, Fraction(0)) - times * value
        if left:
            row[column] = left
        else:
            row.pop(column, None)


def test_the_check_sees_what_overlapping_sums_open() -> None:
    """Twenty meters and twenty-one: their difference is the last one's."""
    names = [bytes([n]) for n in range(60)]
    one, more = frozenset(names[:20]), frozenset(names[:21])
    assert smallest_opened([one, more]) == 1
    assert smallest_opened([one, frozenset(names[20:40])]) == K_MIN
    assert smallest_opened([one, frozenset(names[5:25])]) == 10
    thirds = [names[:40], names[20:], [*names[:20], *names[40:]]]
    # No two of them open anything small; all three open each of their thirds.
    assert smallest_opened([frozenset(row) for row in thirds]) == K_MIN
