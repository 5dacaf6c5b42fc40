"""Looking for a street's usage where nobody should find it: in a database and in logs.

    wanted = Usage.of(homes)                    # what each register showed, slot by slot
    found = search(wanted, [database, log])     # every place that holds any of it

A register's value is looked for as a number of any column, as decimal digits and as CBOR
in any bytes, and in eight bytes where a column holds bytes: in a page of a database eight
bytes with three that say something are found by chance. An interval of 112 Wh is also a count of 112
somewhere, so intervals are looked for as runs of six in every usual spelling, and as a
column that holds most of a home's larger ones. What finds nothing must be shown to find
something: search a device's own file with it too. This module must never say where usage
is without saying in which home it is, and never writes.
"""

import re
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from meterseal_proto.encoding import encode

RUN: Final = 6
"""Intervals in a row: twelve bytes at least, which noise does not hold by chance."""
LEAST_REGISTER: Final = 100_000
"""Smaller numbers are ids and sizes of something else, too."""
LEAST_INTERVAL: Final = 256
"""Larger than what tables count: pages, records, retries."""
MOST: Final = 0.5
"""A column with this share of a home's larger intervals holds its usage."""
_KEY: Final = 8
"""Bytes by which patterns are found; each is then compared as a whole."""
_DISTINCT: Final = 3
"""Different bytes among them at least: two of a long empty page say nothing."""
_CBOR_U32: Final = re.compile(rb"(?=\x1a(....))", re.DOTALL)
_NUMBER: Final = re.compile(rb"(?<![\d./])(\d{6,}|\d+(?=/))(?:/(\d+))?(?![\d/])")
"""Whole numbers, and fractions; that of a second is six digits of anything."""
WH_A_KWH: Final = 1_000
CENT_MICRO: Final = 10_000
"""Money stands in every table as whole cents in micro-units. A register shows a multiple of
it once in ten thousand slots, and what it shows beside those is looked for."""
_HASH: Final = re.compile(rb"(?<![\da-zA-Z])[\da-f]{32,}(?![\da-zA-Z])")
"""A hash in hex has six digits in a row by chance, and a log has a hundred of them."""
SQLITE_MAGIC: Final = b"SQLite format 3\x00"

Spelling = Callable[[Sequence[int]], bytes]


@dataclass(frozen=True, slots=True)
class Home:
    """What one register showed at the ends of its slots, and moved in each; Wh."""

    name: str
    shown: tuple[int, ...]
    moved: tuple[int, ...]


@dataclass(slots=True)
class Usage:
    """What is looked for, made ready for looking."""

    homes: tuple[Home, ...]
    registers: dict[int, str] = field(default_factory=dict)
    packed: dict[bytes, str] = field(default_factory=dict)
    larger: dict[str, frozenset[int]] = field(default_factory=dict)
    patterns: dict[bytes, list[tuple[bytes, int, str]]] = field(default_factory=dict)
    _sorted: npt.NDArray[np.uint64] = field(
        default_factory=lambda: np.empty(0, np.uint64)
    )

    @classmethod
    def of(cls, homes: Iterable[Home]) -> "Usage":
        """Return the usage of these homes, ready to be looked for."""
        usage = cls(tuple(homes))
        for home in usage.homes:
            wide = {
                value
                for value in home.shown
                if value >= LEAST_REGISTER and value % CENT_MICRO
            }
            usage.registers |= dict.fromkeys(wide, home.name)
            usage.packed |= {
                struct.pack(form, value): home.name
                for value in wide
                for form in (">Q", "<Q")
            }
            usage.larger[home.name] = frozenset(
                value for value in home.moved if value >= LEAST_INTERVAL
            )
            for run in _runs(home.moved):
                for spelling in _SPELLINGS:
                    usage._want(spelling(run), home.name)
        return usage

    def keys(self) -> npt.NDArray[np.uint64]:
        """Return the first bytes of every pattern as numbers, sorted."""
        if self._sorted.size != len(self.patterns):
            self._sorted = np.sort(
                np.frombuffer(b"".join(self.patterns), dtype=np.uint64)
            )
        return self._sorted

    def _want(self, pattern: bytes, home: str) -> None:
        """Look for a pattern by its eight bytes that differ most: zeros are everywhere."""
        at = max(
            range(len(pattern) - _KEY + 1),
            key=lambda at: len(set(pattern[at : at + _KEY])),
            default=0,
        )
        key = pattern[at : at + _KEY]
        if len(key) == _KEY and len(set(key)) >= _DISTINCT:
            self.patterns.setdefault(key, []).append((pattern, at, home))


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked through, and every finding as a sentence."""

    files: int
    cells: int
    size: int
    findings: tuple[str, ...]


def search(usage: Usage, files: Iterable[Path]) -> Report:
    """Return what of `usage` stands in these files: SQLite databases, or any text."""
    count, cells, size = 0, 0, 0
    findings: list[str] = []
    for path in files:
        count += 1
        places = (
            _cells(usage, path, findings)
            if path.read_bytes()[: len(SQLITE_MAGIC)] == SQLITE_MAGIC
            else [(path.name, path.read_bytes())]
        )
        for place, content in places:
            cells += 1
            size += len(content)
            findings += _in_bytes(usage, place, content)
    return Report(count, cells, size, tuple(dict.fromkeys(findings)))


def _cells(
    usage: Usage, path: Path, findings: list[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield a database's texts and bytes by column, and note what its numbers tell."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        tables = books.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            for _, column, *_ in books.execute(f'PRAGMA table_info("{table}")'):
                place = f"{path.name} {table}.{column}"
                rows = books.execute(f'SELECT "{column}" FROM "{table}"')  # noqa: S608
                values = [value for (value,) in rows if value is not None]
                numbers = [value for value in values if isinstance(value, int)]
                findings += _in_numbers(usage, place, numbers)
                content = [_as_bytes(value) for value in values]
                findings += _packed_in(usage, place, content)
                yield place, b"\x00".join(one for one in content if one)


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""


def _in_numbers(usage: Usage, place: str, numbers: Sequence[int]) -> Iterator[str]:
    held = set(numbers)
    for value in held & usage.registers.keys():
        yield f"{place}: {value} Wh, which {usage.registers[value]} showed"
    if held and len(held) == max(held) - min(held) + 1:
        return  # a counter holds every number there is
    for home, larger in usage.larger.items():
        if larger and len(larger & held) > MOST * len(larger):
            yield f"{place}: most intervals of {home}"


def _packed_in(usage: Usage, place: str, content: Sequence[bytes]) -> Iterator[str]:
    for one in content:
        for at in range(len(one) - _KEY + 1):
            home = usage.packed.get(one[at : at + _KEY])
            if home is not None:
                yield f"{place}: {_KEY} bytes, a register's value of {home}"


def _in_bytes(usage: Usage, place: str, content: bytes) -> Iterator[str]:
    for match in _NUMBER.finditer(_HASH.sub(b" ", content)):
        value = _wh(match)
        home = usage.registers.get(value)
        if home is not None:
            yield f"{place}: {value} Wh, which {home} showed"
    for match in _CBOR_U32.finditer(content):
        home = usage.registers.get(int.from_bytes(match[1]))
        if home is not None:
            yield f"{place}: a register's value of {home}, as CBOR"
    for at in _candidates(usage, content):
        for pattern, offset, home in usage.patterns[content[at : at + _KEY]]:
            if offset <= at and content.startswith(pattern, at - offset):
                yield f"{place}: {len(pattern)} bytes of what {home} used"


def _wh(number: re.Match[bytes]) -> int:
    """Return what a number is in Wh: a fraction is one of kWh, or money, which is no Wh: 0."""
    whole, parts = int(number[1]), int(number[2] or WH_A_KWH)
    wh, rest = divmod(whole * WH_A_KWH, parts or 1)
    return 0 if rest else wh


def _candidates(usage: Usage, content: bytes) -> Iterator[int]:
    """Yield every offset at which the first bytes of a pattern stand."""
    wanted = usage.keys()
    for shift in range(min(_KEY, len(content))):
        whole = (len(content) - shift) // _KEY
        windows = np.frombuffer(content, np.uint64, whole, shift)
        places = np.searchsorted(wanted, windows) % max(1, wanted.size)
        for row in np.flatnonzero(wanted[places] == windows) if wanted.size else ():
            yield int(row) * _KEY + shift


def _runs(values: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield every run of intervals that says something: not the same over and over."""
    for at in range(len(values) - RUN + 1):
        run = tuple(values[at : at + RUN])
        if len(set(run)) > RUN // 2:
            yield run


def _packed(form: str) -> Spelling:
    """Return a spelling in fixed widths; what does not fit stands nowhere in them."""
    most = 1 << 8 * struct.calcsize(form)

    def spell(run: Sequence[int]) -> bytes:
        if max(run) >= most:
            return b""
        return b"".join(struct.pack(form, value) for value in run)

    return spell


def _joined(between: str) -> Spelling:
    return lambda run: between.join(map(str, run)).encode()


_SPELLINGS: Final[tuple[Spelling, ...]] = (
    *(_packed(form) for form in (">H", "<H", ">I", "<I", ">Q", "<Q")),
    *(_joined(between) for between in (",", ", ", " ", "\n", ";")),
    lambda run: b"".join(encode(value) for value in run),
)
