"""What opened bills tell about single intervals, and when a device must refuse to tell more.

One amount can hide another: at a price of 250,000 everywhere and 250,001 once, the amount
modulo 250,000 is that one interval (SETTLED 19). So an opened amount is counted as if it
opened the total of every price class, and of all openings of a period together the common
refinement counts: the atoms, sets of intervals that no opening told apart. An atom must
keep `MIN_ATOM` intervals or more, and prices may not be more than `MAX_RATIO` apart. A slot
whose quality says MISSING is 0, and everybody can see it: such `known` intervals shield
nobody and are not counted, else an atom of 23 of them and one more would open that one. The
device refuses by this rule; an auditor asks by `determined` what was published could tell.
This module must never be given a usage: it counts, it does not look.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

MIN_ATOM: Final = 24
"""Intervals an atom keeps: a day of hours or six hours of quarters, so no habit shows."""
MAX_RATIO: Final = 100
"""Highest to lowest price that is not 0: more would weigh a few intervals like a code."""
MAX_TERMS: Final = 1 << 20
"""Intervals of a period: thirty years of quarter hours, and amounts stay below 2^84."""


MAX_OPENINGS: Final = 100
"""Bills of one period: a period is billed once, corrected a few times, and asked for at other
tariffs now and then. Each stays for ever, so nobody can fill a log, or a device, with them.
Who takes bills and who signs them have the same number: a bill that is signed and never
taken would end the chain."""


KNOWN: Final = -1
"""The atom of intervals that hide nothing: it may be of any size, and never splits."""


class TooFine(ValueError):
    """Opening this would tell too much of too few intervals."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """The atoms of a period: for every interval (in order) the number of its atom.

    A revision of an interval is a coordinate of its own: append it, do not replace.
    """

    atoms: tuple[int, ...]

    @classmethod
    def whole(cls, count: int, known: Collection[int] = ()) -> "Refinement":
        """Return the atom of a period of which nothing was opened yet.

        `known` are the places of intervals whose value everybody knows, MISSING ones.
        """
        if not 1 <= count <= MAX_TERMS:
            raise ValueError(f"a period has 1 to {MAX_TERMS} intervals")
        bare = frozenset(known)
        return cls(tuple(KNOWN if at in bare else 0 for at in range(count)))

    @classmethod
    def after(
        cls, openings: Sequence[Sequence[int]], known: Collection[int] = ()
    ) -> "Refinement":
        """Return what amounts at these prices told apart together, in whatever order.

        `openings` are one or more of one period; `known` as in `whole`. Raises TooFine.
        """
        atoms = cls.whole(len(openings[0]), known)
        for prices in openings:
            atoms = atoms.opened(prices)
        return atoms

    def opened(self, prices: Sequence[int]) -> "Refinement":
        """Return the refinement once an amount at `prices` is opened too.

        Raises TooFine when it may not be: the amount stays closed.
        """
        if len(prices) != len(self.atoms):
            raise ValueError("as many prices as intervals")
        _check_ratio(prices)
        finer = _numbered(zip(self.atoms, prices, strict=True))
        sizes = Counter(atom for atom in finer if atom != KNOWN)
        least = min(sizes.values(), default=MIN_ATOM)
        if least < MIN_ATOM:
            raise TooFine(
                f"an amount at these prices would tell of {least} intervals alone,"
                f" fewer than {MIN_ATOM}"
            )
        return Refinement(finer)


def _check_ratio(prices: Iterable[int]) -> None:
    paid = [price for price in prices if price]
    if paid and max(paid) > MAX_RATIO * min(paid):
        raise TooFine(f"prices are more than {MAX_RATIO} times apart")


def determined(
    openings: Iterable[Sequence[int]],
    *,
    fewer: int = MIN_ATOM,
    known: Collection[int] = (),
) -> list[list[int]]:
    """Return the sets of fewer than `fewer` intervals whose total the openings determine.

    Each opening is a period's price of every interval; `known` are places of intervals
    whose value everybody knows, which belong to no set. Exact, over the rationals: the
    rows are the indicators of price classes, the columns the atoms; an atom is told when
    its unit vector lies in the rows' space. The sets are atoms, as interval numbers.
    """
    vectors = [tuple(one) for one in openings]
    if not vectors:
        return []
    atoms: dict[tuple[int, ...], list[int]] = defaultdict(list)
    bare = frozenset(known)
    for place, prices in enumerate(zip(*vectors, strict=True)):
        if place not in bare:
            atoms[prices].append(place)
    columns = list(atoms)
    rows = [
        {column: Fraction(1) for column, key in enumerate(columns) if key[at] == price}
        for at, vector in enumerate(vectors)
        for price in sorted(set(vector))
    ]
    told = _unit_vectors(rows)
    return [
        atoms[key]
        for column, key in enumerate(columns)
        if column in told and len(atoms[key]) < fewer
    ]


def _unit_vectors(rows: Sequence[Mapping[int, Fraction]]) -> set[int]:
    """Return the columns whose unit vector lies in the space of sparse rows.

    In reduced row echelon form these are the rows with one entry left.
    """
    reduced: dict[int, dict[int, Fraction]] = {}
    for row in rows:
        left = dict(row)
        for pivot in [column for column in row if column in reduced]:
            _subtract(left, reduced[pivot], left.get(pivot, Fraction(0)))
        if not left:
            continue
        pivot = min(left)
        scale = left[pivot]
        fresh = {column: value / scale for column, value in left.items()}
        for other in reduced.values():
            _subtract(other, fresh, other.get(pivot, Fraction(0)))
        reduced[pivot] = fresh
    return {pivot for pivot, row in reduced.items() if len(row) == 1}


def _subtract(
    row: dict[int, Fraction], other: Mapping[int, Fraction], times: Fraction
) -> None:
    if not times:
        return
    for column, value in other.items():
        left = row.get(column, Fraction(0)) - times * value
        if left:
            row[column] = left
        else:
            row.pop(column, None)


def _numbered(keys: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return a number for each pair of an atom and a price; what is known stays so."""
    numbers: dict[tuple[int, int], int] = {}
    return tuple(
        KNOWN if key[0] == KNOWN else numbers.setdefault(key, len(numbers))
        for key in keys
    )
