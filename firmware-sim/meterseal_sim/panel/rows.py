"""Pure: what the panel shows of a meter, and which faults a key can put on it.

Must never change a meter: `pressed` and `mended` return what it is to have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meterseal_sim.faults import Fault, Kind
from meterseal_sim.faults.model import usual_amount
from meterseal_sim.faults.wiring import CABINET
from meterseal_sim.serve.bus import Tally
from meterseal_sim.street import Home

WH_PER_KWH = 1000
COLUMNS = (
    "meter",
    "model",
    "where",
    "import kWh",
    "export kWh",
    "W",
    "asked",
    "answered",
    "refused",
    "silent",
    "spoilt",
    "fault",
    "agent says",
)
PHASED = {
    Kind.CT_REVERSED: {1: "L1", 2: "L2", 3: "L3"},
    Kind.MISSING_PHASE: {1: "L1", 2: "L2", 3: "L3"},
    Kind.CT_SWAPPED: {12: "L1 L2", 23: "L2 L3", 13: "L1 L3"},
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A fault that can be put on a meter from now on."""

    kind: Kind
    amount: int

    @property
    def name(self) -> str:
        """Say it in a word or two."""
        place = PHASED.get(self.kind, {}).get(self.amount)
        return f"{self.kind} {place}" if place else str(self.kind)

    def at(self, home: int, t: int) -> Fault:
        """Return the fault on a home from second `t` on."""
        return Fault(home, self.kind, t, amount=self.amount)


def choices(home: Home) -> list[Choice]:
    """Return what can go wrong with a home's meter; one phase has no other to swap."""
    found = []
    for kind in Kind:
        if kind is Kind.CT_SWAPPED and home.profile.phases == 1:
            continue
        amounts = PHASED.get(kind, {usual_amount(kind): ""})
        most = 1 if kind in CABINET and home.profile.phases == 1 else len(amounts)
        found += [Choice(kind, amount) for amount in list(amounts)[:most]]
    return found


def pressed(home: Home, choice: Choice, t: int) -> tuple[Fault, ...]:
    """Return the home's faults with one more, from second `t` on."""
    kept = (fault for fault in home.faults if fault.kind is not choice.kind)
    return (*kept, choice.at(home.number, t))


def mended(home: Home, t: int) -> tuple[Fault, ...]:
    """Return the home's faults, all of them over at second `t`.

    A mended cabinet stays among them: what it did not count is lost for good.
    """
    return tuple(
        replace(fault, end=min(fault.end, t))
        for fault in home.faults
        if fault.kind in CABINET and fault.start < t
    )


def row(
    home: Home, where: tuple[str, str], tally: Tally, t: int, agent: str
) -> tuple[str, ...]:
    """Return the meter's cells, as COLUMNS names them; `where` is its name and place."""
    shown = home.shown_at(t)
    power_w = home.quantities_at(t, 1)["power"]
    name, place = where
    return (
        name,
        home.profile.name,
        place,
        f"{shown.import_wh / WH_PER_KWH:.3f}",
        f"{shown.export_wh / WH_PER_KWH:.3f}",
        f"{power_w:.0f}",
        str(tally.asked),
        str(tally.answered),
        str(tally.refused),
        str(tally.silent),
        str(tally.spoiled),
        ", ".join(names_of(home.faults, t)) or "-",
        agent or "-",
    )


def names_of(faults: Sequence[Fault], t: int) -> list[str]:
    """Return what is wrong at second `t`, in words."""
    return [
        Choice(fault.kind, fault.amount).name for fault in faults if fault.active(t)
    ]


def quality(tally: Tally) -> str:
    """Say how good a meter's line is: the share of questions answered with values."""
    if not tally.asked:
        return "not asked yet"
    clean = max(0, tally.answered - tally.spoiled)
    return f"{100 * clean / tally.asked:.1f} % of {tally.asked} answered well"
