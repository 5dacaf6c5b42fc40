"""Pure: faults of the answer: none, a late one, a refusal, values nobody can read.

Must never look at a clock: the second and the request's number are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_sim.chance import unit, whole
from meterseal_sim.faults.model import Fault, Kind
from meterseal_sim.faults.words import Spoil, as_told, not_available, swapped
from meterseal_sim.image import Trouble, exception

ON_THE_WIRE = (Kind.WRONG_CRC, Kind.COLLISION, Kind.TRUNCATED, Kind.NOISE)
"""What happens to the bytes of a frame, in this order."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something done to a frame; `dice` are 53 bits that belong to this request."""

    kind: Kind
    amount: int
    dice: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves the meter: a PDU, or None for silence, after `delay_s` (real).

    It leaves under its unit id plus `unit_shift`, and damaged. A `late` answer
    leaves only when the next question has come.
    """

    pdu: bytes | None
    delay_s: float = 0.0
    unit_shift: int = 0
    damage: tuple[Damage, ...] = ()
    late: bool = False

    @property
    def spoiled(self) -> bool:
        """Say whether a fault lies on its frame."""
        return bool(self.damage or self.late or self.unit_shift)


def answered(
    faults: Sequence[Fault], t: int, seed: int, ordinal: int, pdu: bytes
) -> Answer:
    """Return what becomes of the answer to the meter's request number `ordinal`."""
    hit = _struck(faults, t, seed, ordinal)
    delay_s = hit[Kind.DELAY].amount / 1000 if Kind.DELAY in hit else 0.0
    if Kind.SILENCE in hit:
        return Answer(None, delay_s)
    return Answer(
        _refused(hit, pdu),
        delay_s,
        hit[Kind.WRONG_UNIT].amount if Kind.WRONG_UNIT in hit else 0,
        tuple(
            Damage(kind, hit[kind].amount, whole(seed, "damage", kind, ordinal))
            for kind in ON_THE_WIRE
            if kind in hit
        ),
        Kind.LATE in hit,
    )


def told(
    faults: Sequence[Fault], t: int, seed: int, ordinal: int, telegram: bytes
) -> Answer:
    """Return what becomes of a meter's telegram number `ordinal`.

    A telegram cannot refuse: a busy meter and one that is asked wrongly are silent.
    """
    hit = _struck(faults, t, seed, ordinal)
    answer = answered(faults, t, seed, ordinal, telegram)
    mute = Kind.BUSY in hit or Kind.ILLEGAL_ADDRESS in hit
    return Answer(None, answer.delay_s) if mute else answer


def spoiler(faults: Sequence[Fault], t: int, seed: int, ordinal: int) -> Spoil:
    """Return what is done to each register's words in request number `ordinal`."""
    hit = _struck(faults, t, seed, ordinal)
    if Kind.NAN in hit:
        return not_available
    return swapped if Kind.SWAPPED_WORDS in hit else as_told


def _struck(
    faults: Sequence[Fault], t: int, seed: int, ordinal: int
) -> dict[Kind, Fault]:
    return {
        fault.kind: fault
        for place, fault in enumerate(faults)
        if fault.active(t) and unit(seed, "fault", place, ordinal) < fault.chance
    }


def _refused(hit: dict[Kind, Fault], pdu: bytes) -> bytes:
    if Kind.ILLEGAL_ADDRESS in hit:
        return exception(pdu[0], Trouble.ILLEGAL_ADDRESS)
    if Kind.BUSY in hit:
        return exception(pdu[0], Trouble.BUSY)
    return pdu
