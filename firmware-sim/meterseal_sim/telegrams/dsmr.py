"""Pure: a DSMR 5 P1 telegram, as Dutch meters push it every second.

Source: DSMR P1 companion standard 5.0.2 (Netbeheer Nederland), 5.2 and 6.12. Energy is
kept in two tariffs only, as there: their sum is the home's register to the Wh, and a
Wh must never fall between the two.
"""

from datetime import UTC, datetime, timedelta

from meterseal_sim.electrical import Quantities
from meterseal_sim.telegrams.shown import MAKER, kilo, shown, tenths
from meterseal_sim.telegrams.sums import p1

ENERGY_DIGITS = 6
POWER_DIGITS = 2
LOW_TARIFF_SHARE = 3
"""Every third Wh counts as night: both tariffs grow, so a reader must add them."""
WINTER = timedelta(hours=1)


def encode(values: Quantities, serial: int, at: int) -> bytes:
    """Return the telegram of Unix second `at`.

    Its time stamp is always winter time (`W`, UTC+1): the right moment all year.
    """
    now = shown(values)
    lines = [
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({_stamp(at)})",
        f"0-0:96.1.1({plate(serial).encode().hex().upper()})",
        *_tariffs("1.8", now.import_wh),
        *_tariffs("2.8", now.export_wh),
        "0-0:96.14.0(0002)",
        f"1-0:1.7.0({kilo(now.taken_w, POWER_DIGITS)}*kW)",
        f"1-0:2.7.0({kilo(now.given_w, POWER_DIGITS)}*kW)",
        "0-0:96.13.0()",
        *(
            f"1-0:{code}.7.0({tenths(volts)}*V)"
            for code, volts in zip((32, 52, 72), now.decivolts, strict=True)
        ),
    ]
    head = f"/{MAKER}5\\2METERSEAL-SIM\r\n\r\n"
    body = (head + "".join(f"{line}\r\n" for line in lines) + "!").encode("ascii")
    return body + f"{p1(body):04X}\r\n".encode("ascii")


def plate(serial: int) -> str:
    """Return the equipment identifier, 17 characters as on Dutch plates."""
    return f"E0999{serial:012d}"


def _tariffs(code: str, total_wh: int) -> list[str]:
    low = total_wh // LOW_TARIFF_SHARE
    return [
        f"1-0:{code}.{tariff}({kilo(wh, ENERGY_DIGITS)}*kWh)"
        for tariff, wh in ((1, low), (2, total_wh - low))
    ]


def _stamp(at: int) -> str:
    moment = datetime.fromtimestamp(at, UTC) + WINTER
    return f"{moment:%y%m%d%H%M%S}W"
