"""Pure: faults inside the meter: registers that stand still, start again or step back.

Must never show more than a register could hold, nor less than 0.
"""

from collections.abc import Callable, Sequence

from meterseal_sim.curve import Registers
from meterseal_sim.electrical import IDENTITY, Quantities
from meterseal_sim.faults.model import Fault, Kind


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
    Wh less; a rollover starts again at `amount` Wh. A brown-out shows 0 and after it
    what is right. None shows less than 0.
    """
    second = shown_second(faults, t)
    registers = truth(second)
    for fault in faults:
        if fault.active(second):
            registers = _spoiled(fault, registers, truth)
    return registers


def faded(faults: Sequence[Fault], t: int, values: Quantities) -> Quantities:
    """Return the quantities a meter shows: in a brown-out all it measures is 0."""
    if not dark(faults, t):
        return values
    return {name: values[name] if name in IDENTITY else 0 for name in values}


def dark(faults: Sequence[Fault], t: int) -> bool:
    """Say whether the meter is in a brown-out."""
    return any(fault.kind is Kind.BROWN_OUT and fault.active(t) for fault in faults)


def clock_shift_s(faults: Sequence[Fault], t: int) -> int:
    """Return how many seconds the meter's own clock is off at `t`."""
    return sum(
        fault.amount
        for fault in faults
        if fault.kind is Kind.CLOCK_JUMP and fault.active(t)
    )


def _spoiled(
    fault: Fault, registers: Registers, truth: Callable[[int], Registers]
) -> Registers:
    match fault.kind:
        case Kind.RESET:
            return _less(registers, truth(fault.start))
        case Kind.BACKWARD:
            return _less(registers, Registers(fault.amount, fault.amount))
        case Kind.ROLLOVER:
            return Registers(
                registers.import_wh % fault.amount, registers.export_wh % fault.amount
            )
        case Kind.BROWN_OUT:
            return Registers(0, 0)
        case _:
            return registers


def _less(registers: Registers, by: Registers) -> Registers:
    return Registers(
        max(0, registers.import_wh - by.import_wh),
        max(0, registers.export_wh - by.export_wh),
    )
