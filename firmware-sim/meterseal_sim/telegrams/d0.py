"""Pure: a read-out of IEC 62056-21, as an optical head hears it.

Two ways to send one: pushed line by line (the German D0 head, nothing checks it), and
between STX and ETX with a block check character, as a meter answers in mode C.
Source: IEC 62056-21, 6.3.1 to 6.3.4.
"""

from datetime import UTC, datetime

from meterseal_sim.electrical import Quantities
from meterseal_sim.telegrams.shown import MAKER, Shown, kilo, shown, tenths
from meterseal_sim.telegrams.sums import block_check

STX, ETX = b"\x02", b"\x03"
ENERGY_DIGITS = 6
DEFAULT_BAUD_LETTER = "5"
"""9600 baud (IEC 62056-21, 6.3.14 13c); the head is asked at 300."""


def identification(baud_letter: str = DEFAULT_BAUD_LETTER) -> bytes:
    """Return the line a meter signs on with, `/MSL5METERSEAL-SIM`."""
    return f"/{MAKER}{baud_letter}METERSEAL-SIM\r\n".encode("ascii")


def encode(values: Quantities, serial: int, at: int, *, checked: bool = True) -> bytes:
    """Return sign-on and read-out of Unix second `at`, UTC.

    `checked` puts the data between STX and ETX and a BCC behind: mode C. Without it
    they follow an empty line: a head that pushes.
    """
    lines = "".join(f"{line}\r\n" for line in _lines(shown(values), serial, at))
    data = f"{lines}!\r\n".encode("ascii")
    if not checked:
        return identification() + b"\r\n" + data
    return identification() + data_message(data)


def data_message(data: bytes) -> bytes:
    """Return data as a mode C answer: STX, data, ETX and the BCC over the last two."""
    return STX + data + ETX + bytes((block_check(data + ETX),))


def _lines(now: Shown, serial: int, at: int) -> list[str]:
    moment = datetime.fromtimestamp(at, UTC)
    return [
        "F.F(00)",
        f"0.0.0({serial:08d})",
        f"0.9.1({moment:%H%M%S})",
        f"0.9.2({moment:%y%m%d})",
        f"1.8.0({kilo(now.import_wh, ENERGY_DIGITS)}*kWh)",
        f"2.8.0({kilo(now.export_wh, ENERGY_DIGITS)}*kWh)",
        f"16.7.0({now.power_w}*W)",
        *(
            f"{code}.7.0({tenths(volts)}*V)"
            for code, volts in zip((32, 52, 72), now.decivolts, strict=True)
        ),
    ]
