"""Pure: what an electricity meter shows on its ports, in whole numbers.

Must never round an energy: registers come in whole Wh and leave so.
"""

from dataclasses import dataclass

from meterseal_sim.electrical import Quantities

MAKER = "MSL"
"""Three letters of the maker; nobody registered (FLAG association) has these."""
PHASES = ("l1", "l2", "l3")


@dataclass(frozen=True, slots=True)
class Shown:
    """Registers in Wh, power in W (positive into the house), voltages in 0.1 V."""

    import_wh: int
    export_wh: int
    power_w: int
    decivolts: tuple[int, ...]

    @property
    def taken_w(self) -> int:
        """Power taken from the grid, 0 while the house gives."""
        return max(0, self.power_w)

    @property
    def given_w(self) -> int:
        """Power given to the grid, 0 while the house takes."""
        return max(0, -self.power_w)


def shown(values: Quantities) -> Shown:
    """Return what the meter shows of its quantities."""
    return Shown(
        import_wh=int(values["import"]),
        export_wh=int(values["export"]),
        power_w=round(values["power"]),
        decivolts=tuple(round(10 * values[f"voltage_{phase}"]) for phase in PHASES),
    )


def kilo(number: int, digits: int) -> str:
    """Return thousandths as a text with a point: 1234, 6 digits -> `000001.234`.

    A display that is full begins again at 0.
    """
    whole, rest = divmod(number, 1000)
    return f"{whole % 10**digits:0{digits}d}.{rest:03d}"


def tenths(number: int) -> str:
    """Return tenths as a text with a point: 2301 -> `230.1`."""
    return f"{number // 10:03d}.{number % 10}"
