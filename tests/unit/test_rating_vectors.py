"""Bills as an independent script counts them, Wh by Wh, slot by slot."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto.rating.line import Carried
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import parse_full_tariff
from tests.support.rated import clock

MADE = json.loads(
    (Path(__file__).parents[2] / "proto" / "vectors" / "rating.json").read_text()
)
Case = dict[str, Any]  # Any: JSON


def row(case: Case, name: str) -> list[int]:
    found = [0] * ((case["end"] - case["begin"]) // case["step"])
    for slot, wh in case[name]:
        found[slot] = wh
    return found


@pytest.mark.parametrize("case", MADE, ids=[case["name"] for case in MADE])
def test_a_bill_is_what_the_vectors_say(case: Case) -> None:
    tariff = parse_full_tariff(case["document"].encode())
    assert tariff.hash().hex() == case["hash"]
    load = Load(
        case["begin"],
        case["step"],
        row(case, "imported"),
        row(case, "exported") if case["exported"] else (),
        row(case, "bought") if case["bought"] else (),
    )
    span = (case["begin"], case["end"], case["cycle_begin"], case["cycle_end"])
    used = tuple((name, quantity) for name, quantity in case["used"])
    rated = rate(tariff, load, Period(*span), clock(), Carried(used=used))
    found: dict[str, Fraction] = {}
    for line in rated.lines:
        found[line.component] = found.get(line.component, Fraction(0)) + line.exact
    wanted = {name: Fraction(text) for name, text in case["exact"].items()}
    assert {name: found.get(name, Fraction(0)) for name in wanted} == wanted
    assert set(found) <= {*wanted, "traded"}
