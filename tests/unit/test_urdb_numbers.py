"""Numbers of a rate that no machine should compute with are refused like any fault."""

import json

import pytest

from meterseal_aggregator.billing.tariffs.urdb import Stated, import_urdb

_HOURS = [[0] * 24] * 12
RATE = json.dumps(
    {
        "label": "x",
        "name": "R",
        "utility": "U",
        "energyratestructure": [[{"rate": 0.25}]],
        "energyweekdayschedule": _HOURS,
        "energyweekendschedule": _HOURS,
    }
)
STATED = Stated(zone="UTC", currency="USD")


@pytest.mark.parametrize(
    "number",
    [
        "1E+999999999",
        "-1E+999999999",
        "1E-999999999",
        "1.5E+99999",
        "1E+99999999999999999999",
        "1E-99999999999999999999",
        "9" * 5_000,
    ],
)
@pytest.mark.parametrize("place", ['"rate": 0.25', '"label": "x"'])
def test_a_number_of_endless_digits_is_refused(number: str, place: str) -> None:
    name = place.partition(":")[0]
    raw = RATE.replace(place, f"{name}: {number}").encode()
    with pytest.raises(ValueError, match=r"number|JSON"):
        import_urdb(raw, STATED)


def test_a_rate_told_by_an_exponent_is_what_it_says() -> None:
    made = import_urdb(RATE.replace("0.25", "25E-2").encode(), STATED)
    assert made == import_urdb(RATE.encode(), STATED)
