"""The checks a reading passes to become a fact; pure, values in, an assessment out.

Check names follow the utilities' VEE practice (AEMO Metrology Procedure Part B;
ESPI quality codes). This module must never change a reading nor raise its quality by
guessing: what fails is questionable, bills, and never mints.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from meterseal_aggregator.vee.model import (
    Assessment,
    Check,
    Reading,
    Register,
    Step,
    Trail,
)
from meterseal_proto.units import plausible_wh

MAX_ZERO_RUN_S: Final = 14 * 86_400
"""A register that stands still for two weeks is looked at: longer than snow on a roof or
an ordinary holiday. A zero mints nothing, so nobody loses by it."""
MAX_ESTIMATE_RUN_S: Final = 3 * 86_400
"""Three days of estimates in a row: a device that long in trouble needs a visit."""
SECONDS_AN_HOUR: Final = 3_600


def assess(reading: Reading, register: Register, trail: Trail) -> Assessment:
    """Assess a revision-0 reading against its register and what came before it."""
    return Assessment(tuple(_failures(reading, register, trail)))


def assess_revision(reading: Reading, register: Register) -> Assessment:
    """Assess a revision: by itself, because its neighbours are those of revision 0."""
    return Assessment(tuple(_own_failures(reading, register)))


def follow(trail: Trail, reading: Reading) -> Trail:
    """Return what stands behind the next reading once this one has been seen."""
    zero = reading.delta == 0
    return Trail(
        end=reading.end,
        value=reading.value,
        last_delta=reading.delta,
        last_length=reading.length,
        zero_since=_since(trail.zero_since, reading.start, on=zero),
        estimated_since=_since(
            trail.estimated_since, reading.start, on=reading.estimated
        ),
    )


def rebase(trail: Trail, step: Step) -> Trail:
    """Return the trail after a recorded break: the register counts on from its new value."""
    return replace(trail, end=step.at, value=step.to_value, last_length=0)


def within_capacity(delta_wh: int, length_s: int, capacity_w: int) -> bool:
    """Tell whether a delta fits its time, by the one bound that intake and agents have."""
    return delta_wh <= plausible_wh(capacity_w, length_s)


def _since(since: int | None, start: int, *, on: bool) -> int | None:
    if not on:
        return None
    return start if since is None else since


def _failures(reading: Reading, register: Register, trail: Trail) -> Iterator[Check]:
    yield from _own_failures(reading, register)
    if _spike(reading, register, trail):
        yield Check.SPIKE
    if trail.value + reading.delta != reading.value:
        yield Check.REGISTER_SUM
    if reading.start < trail.end:
        yield Check.DUPLICATE
    if reading.start > trail.end:
        yield Check.GAP
    after = follow(trail, reading)
    if after.zero_since is not None and reading.end - after.zero_since > MAX_ZERO_RUN_S:
        yield Check.ZERO_RUN
    since = after.estimated_since
    if since is not None and reading.end - since > MAX_ESTIMATE_RUN_S:
        yield Check.PROLONGED_ESTIMATE


def _own_failures(reading: Reading, register: Register) -> Iterator[Check]:
    if reading.length != register.step:
        yield Check.INTERVAL_SIZE
    if reading.estimated:
        yield Check.AGENT_QUALITY
    if reading.delta < 0:
        yield Check.NEGATIVE
    if not within_capacity(reading.delta, reading.length, register.capacity_w):
        yield Check.HIGH


def _spike(reading: Reading, register: Register, trail: Trail) -> bool:
    if trail.last_length == 0:
        return False
    # Powers compared as energies: W = Wh * 3600 / s, both sides kept in integers.
    above = reading.delta * SECONDS_AN_HOUR > register.capacity_w * reading.length
    before = trail.last_delta * SECONDS_AN_HOUR * 10
    low = before < register.capacity_w * trail.last_length
    return above and low
