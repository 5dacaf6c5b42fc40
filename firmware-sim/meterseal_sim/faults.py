"""Pure: what can go wrong with a meter, each a function over what it would show.

A fault lasts from one second to another of the street's time, or strikes a share
of the requests; the dice belong to the seed, so a rehearsal can be repeated. A
fault must never change the truth: the curve goes on counting behind it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from meterseal_sim.chance import unit
from meterseal_sim.curve import Registers
from meterseal_sim.image import Trouble, exception
from meterseal_sim.refusal import Refused

FOREVER = 2**62
MAX_DELAY_S = 60
"""A client that waits longer than a minute is broken in another way."""


class Kind(StrEnum):
    """What goes wrong."""

    SILENCE = "silence"
    DELAY = "delay"
    ILLEGAL_ADDRESS = "illegal-address"
    FROZEN = "frozen"
    RESET = "reset"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one home (number from 1; 0 is every home).

    It lasts while `start` <= t < `end` (UTC seconds). `amount` is milliseconds
    of real time for a delay and Wh for a backward step; `chance` is the share of
    requests that silence, delay and illegal address strike.
    """

    home: int
    kind: Kind
    start: int
    end: int = FOREVER
    amount: int = 0
    chance: float = 1.0

    def active(self, t: int) -> bool:
        """Say whether the fault is on at second `t`."""
        return self.start <= t < self.end


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves the meter: a PDU, or None for silence, after `delay_s` (real)."""

    pdu: bytes | None
    delay_s: float = 0.0


def of_home(faults: Iterable[Fault], home: int) -> tuple[Fault, ...]:
    """Return the faults that befall a home, in their order."""
    return tuple(fault for fault in faults if fault.home in {0, home})


def shown_second(faults: Sequence[Fault], t: int) -> int:
    """Return the second whose values the meter shows: a frozen one stands still."""
    return min(
        (
            fault.start
            for fault in faults
            if fault.kind is Kind.FROZEN and fault.active(t)
        ),
        default=t,
    )


def shown(
    faults: Sequence[Fault], t: int, truth: Callable[[int], Registers]
) -> Registers:
    """Return the registers the meter shows at `t` where `truth(t)` are the right ones.

    A reset counts from 0 again from its start on; a backward step shows `amount`
    Wh less. Neither shows less than 0.
    """
    second = shown_second(faults, t)
    registers = truth(second)
    for fault in faults:
        if not fault.active(second):
            continue
        if fault.kind is Kind.RESET:
            registers = _less(registers, truth(fault.start))
        if fault.kind is Kind.BACKWARD:
            registers = _less(registers, Registers(fault.amount, fault.amount))
    return registers


def answered(
    faults: Sequence[Fault], t: int, seed: int, ordinal: int, pdu: bytes
) -> Answer:
    """Return what becomes of the answer to the meter's request number `ordinal`."""
    struck = {
        fault.kind: fault
        for place, fault in enumerate(faults)
        if fault.active(t) and unit(seed, "fault", place, ordinal) < fault.chance
    }
    delay_s = struck[Kind.DELAY].amount / 1000 if Kind.DELAY in struck else 0.0
    if Kind.SILENCE in struck:
        return Answer(None, delay_s)
    if Kind.ILLEGAL_ADDRESS in struck:
        return Answer(exception(pdu[0], Trouble.ILLEGAL_ADDRESS), delay_s)
    return Answer(pdu, delay_s)


def parse(text: str, start: int) -> Fault:
    """Read `HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]]`, FROM and TO in s after `start`.

    HOME is a number from 1 or `*`; an empty TO is for ever. Raises Refused.
    """
    parts = text.split(":")
    defaults = ("0", "1")[max(0, len(parts) - 4) :]
    try:
        # A text of too few or too many parts does not unpack: a ValueError too.
        home, kind, begin, end, amount, chance = (*parts, *defaults)
        fault = Fault(
            home=0 if home == "*" else int(home),
            kind=Kind(kind),
            start=start + int(begin),
            end=start + int(end) if end else FOREVER,
            amount=int(amount),
            chance=float(chance),
        )
    except ValueError:
        raise Refused(
            f"fault {text!r}: write HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]], for instance"
            f" 3:silence:3600:7200, with a kind of {', '.join(Kind)}"
        ) from None
    if fault.kind is Kind.DELAY and fault.amount > MAX_DELAY_S * 1000:
        raise Refused(f"fault {text!r}: delay at most {MAX_DELAY_S * 1000} ms")
    return fault


def written(fault: Fault, start: int) -> str:
    """Return the text that `parse` reads back as this fault."""
    end = "" if fault.end == FOREVER else str(fault.end - start)
    home = fault.home or "*"
    return (
        f"{home}:{fault.kind}:{fault.start - start}:{end}:{fault.amount}:{fault.chance}"
    )


def _less(registers: Registers, by: Registers) -> Registers:
    return Registers(
        max(0, registers.import_wh - by.import_wh),
        max(0, registers.export_wh - by.export_wh),
    )
