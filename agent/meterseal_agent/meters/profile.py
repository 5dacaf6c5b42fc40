"""A meter model as data: one TOML file, loaded by name and checked to the last key.

A profile holds the register map, how to ask, how the model says "not available", the
vendor document it was written from, and a dump with its expected values, which one
test decodes. `points` are read with every sample; `details` are what a technician asks
for, so that a poll stays as short as the wire needs it. Profiles come with the package;
an installer may name a file of his own. This module must never guess a value the file
leaves out.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Final

from meterseal_agent.meters.planner import Limits, plan
from meterseal_agent.meters.profile_points import (
    MAX_ADDRESS,
    coding_of,
    hex_words,
    points_of,
)
from meterseal_agent.meters.registers import MAX_VALUE, Coding, Point
from meterseal_agent.meters.settings import Settings, settings_of
from meterseal_agent.meters.table import Table
from meterseal_proto.units import RegisterId

MAX_READ: Final = 125
"""Modbus Application Protocol V1.1b3, 6.3 and 6.4: registers in one answer."""
ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class Probe:
    """A point whose value tells this model apart: `low` to `high` in the point's unit."""

    point: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Dump:
    """Registers as the meter would show them, by address, and the values they mean.

    `origin` says where the words come from; `expected` holds integers by point name,
    None where the value must be absent.
    """

    origin: str
    words: Mapping[int, int]
    expected: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Profile:
    """One meter model. `max_power_w` is the most its terminals carry (rated current
    x rated voltage x phases): what a register may grow by is judged against it.
    """

    name: str
    manufacturer: str
    model: str
    document: str
    function: int
    max_power_w: int
    coding: Coding
    limits: Limits
    probe: Probe
    points: tuple[Point, ...]
    dump: Dump
    details: tuple[Point, ...] = ()
    settings: Settings | None = None

    @property
    def every_point(self) -> tuple[Point, ...]:
        """The points of every sample and the details."""
        return self.points + self.details

    def point(self, register: RegisterId) -> Point:
        """Return the point of a register; ValueError names the ones there are."""
        for point in self.every_point:
            if point.register == register:
                return point
        names = ", ".join(point.name for point in self.every_point)
        raise ValueError(f"{self.name} has no such register; it has {names}")

    def whole(self) -> "Profile":
        """Return the same model with its details read in every sample."""
        return replace(self, points=self.every_point, details=())

    def polling(self, registers: Iterable[RegisterId]) -> "Profile":
        """Return the same model with these registers read in every sample.

        Raises ValueError when it has no such register.
        """
        asked = {self.point(register).name for register in registers}
        moved = tuple(point for point in self.details if point.name in asked)
        left = tuple(point for point in self.details if point.name not in asked)
        return replace(self, points=self.points + moved, details=left)


def names() -> tuple[str, ...]:
    """Return the names of the shipped profiles, sorted."""
    folder = resources.files(__package__) / "profiles"
    files = (entry.name for entry in folder.iterdir())
    return tuple(
        sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))
    )


def load(name: str) -> Profile:
    """Return the shipped profile `name`; ValueError lists the shipped ones."""
    if name not in names():
        raise ValueError(
            f"no meter profile {name!r}; choose one of {', '.join(names())}"
        )
    entry = resources.files(__package__) / "profiles" / f"{name}.toml"
    return parse(name, entry.read_text(encoding="utf-8"))


def load_file(path: Path) -> Profile:
    """Return an installer's own profile; ValueError says what is wrong with it."""
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Profile:
    """Return the profile written in `text`; ValueError names the key that is wrong."""
    try:
        table = Table(tomllib.loads(text), f"profile {name}")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"profile {name} is not TOML: {error}") from error
    points, details = points_of(table)
    profile = Profile(
        name=name,
        manufacturer=table.text("manufacturer"),
        model=table.text("model"),
        document=table.text("document"),
        function=table.integer("function", low=3, high=4),
        max_power_w=table.integer("max_power_w", low=1, high=10**9),
        coding=coding_of(table),
        limits=_limits(table),
        probe=_probe(table.table("probe")),
        points=points,
        dump=_dump(table.table("dump")),
        details=details,
        settings=settings_of(table),
    )
    table.done()
    _check_whole(profile, table.where)
    return profile


def _limits(table: Table) -> Limits:
    readable: list[tuple[int, int]] = []
    for item in table.items("readable"):
        match item:
            case [int(first), int(last)] if 0 <= first <= last <= MAX_ADDRESS:
                readable.append((first, last + 1))
            case _:
                raise ValueError(
                    f"{table.where}: readable must hold [first, last] addresses"
                )
    limit = table.integer("read_limit", low=1, high=MAX_READ)
    return Limits(limit, table.flag("pairs"), tuple(readable))


def _probe(table: Table) -> Probe:
    widest = 10**12
    probe = Probe(
        point=table.text("point"),
        low=table.integer("low", low=-widest, high=widest),
        high=table.integer("high", low=-widest, high=widest),
    )
    table.done()
    return probe


def _dump(table: Table) -> Dump:
    origin = table.text("origin")
    words: dict[int, int] = {}
    blocks = table.table("words")
    for key in blocks.unread():
        raw = hex_words(blocks.text(key).replace(" ", ""), blocks.where)
        if not key.isdecimal():
            raise ValueError(f"{blocks.where}: {key!r} is no register address")
        for i in range(0, len(raw), 2):
            words[int(key) + i // 2] = int.from_bytes(raw[i : i + 2])
    values = table.table("expected")
    expected = {key: _expected(values, key) for key in values.unread()}
    table.done()
    return Dump(origin, words, expected)


def _expected(values: Table, key: str) -> int | None:
    # TOML has no null, so the text "absent" stands for it.
    if values.is_text(key):
        if values.text(key) != ABSENT:
            raise ValueError(f"{values.where}: {key} must be an integer or {ABSENT!r}")
        return None
    return values.integer(key, low=-MAX_VALUE, high=MAX_VALUE)


def _check_whole(profile: Profile, where: str) -> None:
    names_seen = [point.name for point in profile.every_point]
    registers = [point.register for point in profile.every_point]
    if len(set(names_seen)) < len(names_seen) or len(set(registers)) < len(registers):
        raise ValueError(f"{where}: two points share a name or an OBIS code")
    if profile.probe.point not in names_seen:
        raise ValueError(f"{where}: the probe names no point of this profile")
    if set(profile.dump.expected) != set(names_seen):
        raise ValueError(f"{where}: dump.expected must name every point, and no other")
    try:
        plan(profile.every_point, profile.limits)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
