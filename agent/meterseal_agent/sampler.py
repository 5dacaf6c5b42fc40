"""Samples of a meter to at most one Record per register and slot.

Pure: state and sample in, state and perhaps a record out. It must never read a clock,
invent a value, or emit a slot twice; energy is conserved whatever the sample times.

How records are made
- A slot boundary takes the first accepted sample at or after it. If several
  boundaries passed since the last sample, only the latest is served.
- A record runs from the last served boundary to this one. So records of a register
  tile time without gap or overlap from the state's begin, and the sum of their deltas
  is the last value less the first. Where a boundary was missed the record is longer
  than the step (a whole multiple of it) and QUESTIONABLE: it bills, it never mints.
- A record is RAW when it is one step long and both its boundaries were read within
  `lateness_limit_s` by a trusted clock, and nothing below happened. Else QUESTIONABLE.

What may happen to a register
- Rollover: only with a declared width, and only if the growth across it is plausible.
  The width is added to an offset, so `value` keeps growing and stays checkable.
- Backward or implausibly far (the largest growth per hour x time): one strange answer
  is ignored. When CONFIRMATIONS samples running agree, it is believed: a lower
  register ends the record with delta 0 and the new, lower value (a reset; offsets
  start anew), a higher one with its growth. Both are QUESTIONABLE.
- Frozen: power flows but the register stood still for `frozen_slots` slots. From then
  on, and in the record where it moves again, QUESTIONABLE.

What may happen to the clock: before its first synchronisation nothing is emitted and
nothing is forgotten (the slots come as one long record). After a jump, while
synchronisation is lost, or when time ran backward, the record it falls into is
QUESTIONABLE; a slot already emitted is never emitted again.

Keep the state with the record, in one transaction. If a record cannot be kept (the
outbox is full) drop the new state too and go on from the old one: the next record
then covers the hole. State between records need not be stored.

    state = State.begin(boundary=initial_at, value=initial_value)
    state, record = observe(rules, state, sample, Clock.TRUSTED)
"""

import json
from dataclasses import astuple, dataclass, fields, replace
from enum import Enum, auto
from typing import Final, Self

from meterseal_agent.meters.registers import Sample
from meterseal_agent.record import Record
from meterseal_proto.intervals import STEPS, slot_start
from meterseal_proto.units import EXPORT, IMPORT, MeterId, Quality, RegisterId

CONFIRMATIONS: Final = 3
"""Samples that must agree before a reset is believed: a meter that boots after a
brown-out shows 0 once or twice, and a broken frame passes CRC-16 once in 65,536."""
FROZEN_PROOF_WH: Final = 10
"""Energy that must have flowed past a still register to call it frozen: five display
steps of the coarsest shipped meter, so that a light load is no accusation."""
JUMP_LIMIT_S: Final = 5
"""Difference between wall and steady clock that is a jump; slewing stays far below."""


class Clock(Enum):
    """How far the time of a sample may be trusted."""

    UNSET = auto()
    """Not synchronised since the start: hold, do not guess."""
    DOUBTFUL = auto()
    """Synchronisation lost, or the clock has just jumped."""
    TRUSTED = auto()


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """What the clock showed last: wall and steady (monotonic) seconds, and its history."""

    wall: int
    steady: int
    once_synchronised: bool = False

    def judge(
        self, *, wall: int, steady: int, synchronised: bool, limit_s: int = JUMP_LIMIT_S
    ) -> tuple["ClockWatch", Clock]:
        """Return the next watch, and how far a sample taken now may be trusted.

        `synchronised` is what the operating system says of its time service. A jump
        is a difference of more than `limit_s` between both clocks since the last call.
        """
        jumped = abs((wall - self.wall) - (steady - self.steady)) > limit_s
        once = self.once_synchronised or synchronised
        if not once:
            clock = Clock.UNSET
        elif jumped or not synchronised:
            clock = Clock.DOUBTFUL
        else:
            clock = Clock.TRUSTED
        # The first synchronisation usually sets the clock: that jump is the cure, and
        # nothing was emitted by the time before it.
        if once and not self.once_synchronised:
            clock = Clock.TRUSTED
        return ClockWatch(wall, steady, once), clock


@dataclass(frozen=True, slots=True)
class Rules:
    """How one register of one meter is judged.

    `step` is one of STEPS, in seconds. `max_per_hour` is the most the register can
    grow in an hour: W for energy, litres per hour for water. `timing_s` is how far a
    sample's time may be from the moment the meter answered. `resolution` is the
    register's smallest step, `rollover` its declared width, both in its own unit.
    A `private` register's qualities are told in the open and its values to nobody.
    """

    meter: MeterId
    register: RegisterId
    step: int
    max_per_hour: int
    lateness_limit_s: int = 60
    timing_s: int = 2
    resolution: int = 2
    rollover: int | None = None
    frozen_slots: int = 4
    private: bool = False

    def __post_init__(self) -> None:
        if self.step not in STEPS:
            raise ValueError(f"step must be one of {STEPS}, not {self.step}")
        if self.max_per_hour < 1 or self.frozen_slots < 1:
            raise ValueError("max_per_hour and frozen_slots must be at least 1")

    def most(self, span_s: int) -> int:
        """Return the largest believable growth in `span_s` seconds, 10 % above rating."""
        flow = self.max_per_hour * (max(0, span_s) + self.timing_s) * 11
        return flow // 36_000 + 2 * self.resolution


@dataclass(frozen=True, slots=True)
class State:
    """Where one register stands: stored with every record, and enough to go on from.

    `boundary` is the end of the last record and `value` the cumulative register there,
    rollovers unrolled. `at` and `raw` are the last accepted sample, `offset` what the
    unrolled rollovers add to it.
    """

    boundary: int
    value: int
    at: int
    raw: int
    offset: int = 0
    shaky: bool = False
    """The value at the boundary was read late or by a doubtful clock."""
    doubtful: bool = False
    """Something since the boundary makes the running record questionable."""
    still_ws: int = 0
    """Energy the power says has flowed since the register last moved, in watt-seconds."""
    still_slots: int = 0
    """Slots emitted while the register stood still in spite of it."""
    strange: int = 0
    """The last implausible raw register, if `strange_count` is above 0."""
    strange_at: int = 0
    strange_count: int = 0

    @classmethod
    def begin(cls, boundary: int, value: int, read_at: int | None = None) -> Self:
        """Return the state at enrolment: `value` counts from the grid time `boundary`.

        `read_at` is when the register was really read, if that was another time.
        """
        return cls(boundary, value, boundary if read_at is None else read_at, value)

    def to_json(self) -> str:
        """Return the state as one line for the outbox."""
        return json.dumps(astuple(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state `to_json` wrote; ValueError when the text is anything else."""
        try:
            items = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a sampler state is not JSON: {error}") from error
        kinds = [type(item) for item in items] if isinstance(items, list) else []
        if kinds != [field.type for field in fields(cls)]:
            raise ValueError("a sampler state does not have the fields of this version")
        return cls(*items)


def observe(
    rules: Rules, state: State, sample: Sample, clock: Clock
) -> tuple[State, Record | None]:
    """Return the state after `sample`, and the record it completes, if any.

    Samples come in the order they were taken. A sample without this register, or
    taken by an unset clock, changes nothing.
    """
    raw = sample.values.get(rules.register)
    if raw is None or clock is Clock.UNSET:
        return state, None
    if clock is Clock.DOUBTFUL or sample.at < state.at:
        state = replace(state, doubtful=True)
    seen = _accept(rules, state, sample, raw)
    if seen.strange_count:
        return seen, None
    boundary = slot_start(sample.at, rules.step)
    if boundary <= seen.boundary:
        return seen, None
    return _emit(rules, seen, boundary, shaky=clock is Clock.DOUBTFUL)


def _accept(rules: Rules, state: State, sample: Sample, raw: int) -> State:
    """Take the register into the state, or count it as strange and keep the rest."""
    # A meter that stood still may catch up: twice what its power says has flowed.
    most = rules.most(sample.at - state.at) + state.still_ws // 1800
    growth = raw - state.raw
    if 0 <= growth <= most:
        return _moved(rules, state, sample, raw, state.offset)
    if rules.rollover and 0 <= growth + rules.rollover <= most:
        return _moved(rules, state, sample, raw, state.offset + rules.rollover)
    if not _confirmed(rules, state, sample, raw):
        return _suspected(rules, state, sample, raw)
    doubted = replace(state, doubtful=state.doubtful or not rules.private)
    return _moved(rules, doubted, sample, raw, state.offset if growth > 0 else 0)


def _agrees(rules: Rules, state: State, sample: Sample, raw: int) -> bool:
    most = rules.most(sample.at - state.strange_at)
    return state.strange_count > 0 and 0 <= raw - state.strange <= most


def _confirmed(rules: Rules, state: State, sample: Sample, raw: int) -> bool:
    return state.strange_count >= CONFIRMATIONS - 1 and _agrees(
        rules, state, sample, raw
    )


def _suspected(rules: Rules, state: State, sample: Sample, raw: int) -> State:
    count = state.strange_count + 1 if _agrees(rules, state, sample, raw) else 1
    return replace(state, strange=raw, strange_at=sample.at, strange_count=count)


def _moved(rules: Rules, state: State, sample: Sample, raw: int, offset: int) -> State:
    still = 0
    if raw == state.raw and offset == state.offset:
        span_s = max(0, sample.at - state.at)
        still = state.still_ws + _toward(rules.register, sample.power_w) * span_s
    return replace(
        state,
        at=sample.at,
        raw=raw,
        offset=offset,
        still_ws=still,
        strange=0,
        strange_at=0,
        strange_count=0,
    )


def _toward(register: RegisterId, power_w: int | None) -> int:
    """Return the power that should move this register, in W, never negative."""
    if power_w is None:
        return 0
    if register == IMPORT:
        return max(0, power_w)
    return max(0, -power_w) if register == EXPORT else 0


def _emit(
    rules: Rules, state: State, boundary: int, *, shaky: bool
) -> tuple[State, Record]:
    value = state.raw + state.offset
    length = boundary - state.boundary
    shaky = shaky or state.at - boundary > rules.lateness_limit_s
    still_slots = 0
    if value == state.value and state.still_ws >= FROZEN_PROOF_WH * 3600:
        still_slots = state.still_slots + length // rules.step
    stood_still = max(still_slots, state.still_slots) >= rules.frozen_slots
    frozen = stood_still and not rules.private
    doubt = state.doubtful or state.shaky or shaky or frozen or length != rules.step
    record = Record(
        meter=rules.meter,
        register=rules.register,
        start=state.boundary,
        length=length,
        delta=max(0, value - state.value),
        value=value,
        quality=Quality.QUESTIONABLE if doubt else Quality.RAW,
    )
    after = replace(
        state,
        boundary=boundary,
        value=value,
        shaky=shaky,
        doubtful=False,
        still_slots=still_slots,
    )
    return after, record
