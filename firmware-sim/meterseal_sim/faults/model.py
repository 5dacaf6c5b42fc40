"""Pure: the kinds of faults, what their amounts mean, and how a person writes one.

Must never act on a meter: the modules beside it do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meterseal_sim.refusal import Refused

FOREVER = 2**62
MAX_DELAY_S = 60
"""A client that waits longer than a minute is broken in another way."""
MAX_WH = 10**12
MAX_JUMP_S = 10 * 365 * 86_400
MAX_BYTES = 255
"""A frame is not longer, so nothing more can be cut off or put before it."""


class Kind(StrEnum):
    """What goes wrong: on the wire, in the answer, in the meter, in its cabinet."""

    SILENCE = "silence"
    DELAY = "delay"
    LATE = "late"
    WRONG_CRC = "wrong-crc"
    WRONG_UNIT = "wrong-unit"
    TRUNCATED = "truncated"
    NOISE = "noise"
    COLLISION = "collision"
    BUSY = "busy"
    ILLEGAL_ADDRESS = "illegal-address"
    NAN = "nan"
    SWAPPED_WORDS = "swapped-words"
    FROZEN = "frozen"
    RESET = "reset"
    ROLLOVER = "rollover"
    BACKWARD = "backward"
    BROWN_OUT = "brown-out"
    CLOCK_JUMP = "clock-jump"
    CT_REVERSED = "ct-reversed"
    CT_SWAPPED = "ct-swapped"
    MISSING_PHASE = "missing-phase"


ALSO = {
    "stuck": Kind.FROZEN,
    "late-reply": Kind.LATE,
    "brownout": Kind.BROWN_OUT,
}
"""Other words installers have for the same thing."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What a kind's amount means, what it is when nobody says, and its range."""

    meaning: str
    usual: int
    least: int
    most: int


PHASES_SWAPPED = {12: (0, 1), 23: (1, 2), 13: (0, 2)}
NOTHING = Amount("nothing", 0, 0, 2**31)
AMOUNTS = {
    Kind.DELAY: Amount("real ms", 1500, 0, MAX_DELAY_S * 1000),
    Kind.WRONG_UNIT: Amount("added to the unit id", 1, 1, 246),
    Kind.TRUNCATED: Amount("bytes cut off, 0: by the dice", 0, 0, MAX_BYTES),
    Kind.NOISE: Amount("bytes before the answer, 0: by the dice", 0, 0, MAX_BYTES),
    Kind.BACKWARD: Amount("Wh", 500, 0, MAX_WH),
    Kind.ROLLOVER: Amount("Wh at which the register starts again", 10**6, 1, MAX_WH),
    Kind.CLOCK_JUMP: Amount(
        "s the meter's clock is off", 3600, -MAX_JUMP_S, MAX_JUMP_S
    ),
    Kind.CT_REVERSED: Amount("phase 1, 2 or 3", 1, 1, 3),
    Kind.MISSING_PHASE: Amount("phase 1, 2 or 3", 1, 1, 3),
    Kind.CT_SWAPPED: Amount("phases 12, 23 or 13", 12, 12, 23),
}
"""Kinds that are not here have no amount."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one home (number from 1; 0 is every home).

    It lasts while `start` <= t < `end` (UTC seconds). `amount` means what AMOUNTS
    says; `chance` is the share of requests that faults of the wire and of the
    answer strike. Faults of the meter and its cabinet are there all the time.
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


def of_home(faults: Iterable[Fault], home: int) -> tuple[Fault, ...]:
    """Return the faults that befall a home, in their order."""
    return tuple(fault for fault in faults if fault.home in {0, home})


def kind_of(word: str) -> Kind:
    """Return the kind of that name; raises ValueError for none."""
    return ALSO[word] if word in ALSO else Kind(word)


def made(fault: Fault, told: str) -> Fault:
    """Return the fault if its amount and chance are possible; raises Refused.

    `told` is how the sentence names it.
    """
    amount = AMOUNTS.get(fault.kind, NOTHING)
    if not amount.least <= fault.amount <= amount.most:
        unit = " ms" if fault.kind is Kind.DELAY else f" ({amount.meaning})"
        raise Refused(
            f"{told}: {fault.kind} at least {amount.least} and at most"
            f" {amount.most}{unit}"
        )
    if fault.kind is Kind.CT_SWAPPED and fault.amount not in PHASES_SWAPPED:
        raise Refused(f"{told}: ct-swapped between phases 12, 23 or 13")
    if not 0 <= fault.chance <= 1:
        raise Refused(f"{told}: a chance lies between 0 and 1")
    if fault.end <= fault.start:
        raise Refused(f"{told}: it ends before it begins")
    return fault


def parse(text: str, start: int) -> Fault:
    """Read `HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]]`, FROM and TO in s after `start`.

    HOME is a number from 1 or `*`; an empty TO is for ever, an empty AMOUNT the
    usual one. Phases may be written L2 or L1L2. Raises Refused.
    """
    parts = text.split(":")
    defaults = ("", "1")[max(0, len(parts) - 4) :]
    try:
        # A text of too few or too many parts does not unpack: a ValueError too.
        home, word, begin, end, amount, chance = (*parts, *defaults)
        kind = kind_of(word)
        fault = Fault(
            home=0 if home == "*" else int(home),
            kind=kind,
            start=start + int(begin),
            end=start + int(end) if end else FOREVER,
            amount=_amount(amount, kind),
            chance=float(chance),
        )
    except ValueError:
        raise Refused(
            f"fault {text!r}: write HOME:KIND:FROM:TO[:AMOUNT[:CHANCE]], for instance"
            f" 3:silence:3600:7200, with a kind of {', '.join(Kind)}"
        ) from None
    return made(fault, f"fault {text!r}")


def usual_amount(kind: Kind) -> int:
    """Return the amount of a kind when nobody says one."""
    return AMOUNTS.get(kind, NOTHING).usual


def written(fault: Fault, start: int) -> str:
    """Return the text that `parse` reads back as this fault."""
    end = "" if fault.end == FOREVER else str(fault.end - start)
    home = fault.home or "*"
    return (
        f"{home}:{fault.kind}:{fault.start - start}:{end}:{fault.amount}:{fault.chance}"
    )


def _amount(text: str, kind: Kind) -> int:
    return int(text.replace("L", "")) if text else usual_amount(kind)
