"""Every shipped register map against facts that nobody here wrote.

The facts name address, type, multiplier and unit of each point of 19 models. A typo in
a profile, in any of them, is a red test.
"""

import json
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import pytest

from meterseal_agent.meters.profile import Profile, load, names
from meterseal_agent.meters.registers import Point, WordOrder
from meterseal_proto.units import obis_text
from tests.support.data import shared_data

FACTS = {
    "abb-b23": "abb-b23",
    "carlo-gavazzi-em24": "carlo-gavazzi-em24",
    "carlo-gavazzi-em340": "carlo-gavazzi-em340",
    "chint-dtsu666": "chint-dtsu666",
    "eastron-sdm120": "eastron-sdm120m",
    "eastron-sdm230": "eastron-sdm230",
    "eastron-sdm630": "eastron-sdm630-v2",
    "eastron-sdm72d-m-v2": "eastron-sdm72d-m-v2",
    "inepro-pro380": "inepro-pro380",
    "janitza-b23": "janitza-b23",
    "janitza-umg96rm": "janitza-umg96rm",
    "schneider-iem3155": "schneider-iem3000",
    "schneider-pm5xxx": "schneider-pm5xxx",
    "shelly-pro-3em": "shelly-pro-3em",
    "siemens-pac2200": "siemens-pac2200",
    "socomec-countis-e24": "socomec-countis-e24",
    "socomec-countis-e34": "socomec-countis-e34",
    "socomec-diris-a10": "socomec-diris-a10",
    "sunspec": "sunspec",
}
UNITS: Mapping[str | None, tuple[str, int]] = {
    **dict.fromkeys(("V", "Volts"), ("mV", 1000)),
    **dict.fromkeys(("A", "Amps"), ("mA", 1000)),
    **dict.fromkeys(("W", "Watts"), ("W", 1)),
    **dict.fromkeys(("VA", "VoltAmps"), ("VA", 1)),
    **dict.fromkeys(("var", "VAr"), ("var", 1)),
    **dict.fromkeys(("1", "-", "None", None, "4Q_FP_PF"), ("permille", 1000)),
    **dict.fromkeys(("kWh", "kWh/MWh"), ("Wh", 1000)),
    **dict.fromkeys(("kvarh", "kVarh", "kVArh", "kVArh/MVArh"), ("varh", 1000)),
    **dict.fromkeys(("kVAh", "kVAh/MVAh"), ("VAh", 1000)),
    **dict.fromkeys(("Hz",), ("mHz", 1000)),
    **dict.fromkeys(("Wh",), ("Wh", 1)),
    **dict.fromkeys(("varh",), ("varh", 1)),
    **dict.fromkeys(("VAh",), ("VAh", 1)),
    # SunSpec's power factors are in per cent.
    **dict.fromkeys(("Pct",), ("permille", 10)),
}
# The facts hold only the power factors of the Diris A-10. These are the rest, as its
# vendor's table DCG01013 V202.81 says: address, type, multiplier, unit.
DIRIS = (
    *((50520 + 2 * n, "u32", "0.01", "V") for n in range(3)),
    (50526, "u32", "0.01", "Hz"),
    *((50528 + 2 * n, "u32", "0.001", "A") for n in range(4)),
    (50536, "s32", "10", "W"),
    (50538, "s32", "10", "var"),
    (50540, "u32", "10", "VA"),
    *((50544 + 2 * n, "s32", "10", "W") for n in range(3)),
    *((50550 + 2 * n, "s32", "10", "var") for n in range(3)),
    *((50556 + 2 * n, "u32", "10", "VA") for n in range(3)),
    (50780, "u32", "1000", "Wh"),
    (50782, "u32", "1000", "varh"),
    (50784, "u32", "1000", "VAh"),
    (50786, "u32", "1000", "Wh"),
    (50788, "u32", "1000", "varh"),
)
SUNSPEC_MODEL = 203
SUNSPEC_BASE = 40070
Fact = Mapping[str, Any]
"""One register of the facts, as its JSON says it."""


@lru_cache(maxsize=1)
def meters() -> dict[str, Fact]:
    path = shared_data("meters", "modbus_register_maps.json")
    return {meter["id"]: meter for meter in json.loads(path.read_text())["meters"]}


def facts_of(name: str) -> list[Fact]:
    if name == "sunspec":
        return _sunspec()
    meter = meters()[FACTS[name]]
    rows: list[Fact] = list(meter["registers"])
    if name == "socomec-diris-a10":
        keys = ("address", "type", "multiplier", "unit")
        rows += [dict(zip(keys, row, strict=True)) for row in DIRIS]
    # A mean over the phases bears the code of a phase; a meter with three has no use.
    means = {"Voltage", "Current"} if meter["phases"] == 3 else set()
    return [row for row in rows if row.get("name") not in means]


def _sunspec() -> list[Fact]:
    models = meters()["sunspec"]["models"]
    (model,) = (one for one in models if one["model"] == SUNSPEC_MODEL)
    return [
        {**point, "address": SUNSPEC_BASE + point["offset"], "multiplier": 1}
        for point in model["points"]
    ]


def test_the_19_models_of_the_facts_are_shipped() -> None:
    assert set(names()) == set(FACTS)
    assert set(meters()) == set(FACTS.values())


@pytest.mark.parametrize("name", names())
def test_address_type_scale_and_unit_of_every_point_are_those_of_the_facts(
    name: str,
) -> None:
    facts = {fact["address"]: fact for fact in facts_of(name)}
    for point in load(name).every_point:
        fact = facts[point.address]
        unit, per = UNITS[fact["unit"]]
        assert point.kind.value == fact["type"], point
        assert point.unit.value == unit, point
        assert point.scale == Fraction(str(fact["multiplier"])) * per, point


@pytest.mark.parametrize("name", names())
def test_word_order_function_and_read_limit_are_those_of_the_facts(name: str) -> None:
    meter, facts = load(name), meters()[FACTS[name]]
    little = facts["word_order"].startswith("little")
    assert meter.coding.order is (WordOrder.LITTLE if little else WordOrder.BIG)
    assert str(meter.function) in str(facts["function_code"])
    assert meter.limits.read_limit <= (facts.get("max_registers_per_read") or 125)


@pytest.mark.parametrize("name", sorted(set(names()) - {"sunspec"}))
def test_every_quantity_the_facts_have_a_code_for_is_read_under_it(name: str) -> None:
    held = {point.address: point for point in load(name).every_point}
    for fact in facts_of(name):
        code = fact.get("obis")
        # Net energy falls as well as grows; import and export say more.
        if code and code != "1-0:16.8.0":
            assert obis_text(held[fact["address"]].register) == code, fact


@pytest.mark.parametrize("name", names())
def test_every_energy_register_of_a_direction_is_read(name: str) -> None:
    held = {point.address for point in load(name).every_point}
    for fact in facts_of(name):
        said = str(fact.get("name"))
        if said.startswith(("Import", "Export", "ReactiveImport", "ReactiveExport")):
            assert fact["address"] in held, said


def test_the_socomec_points_are_what_their_labels_say() -> None:
    labels = {
        "import": "Total Positive Active Energy",
        "export": "Total Negative Active Energy",
        "power": "Active Power",
        "voltage_l2": "Simple voltage : V2",
        "current_l3": "Current : I3",
        "factor_l1": "Power Factor phase 1",
        "frequency": "Frequency",
        "reactive_l3": "Reactive Power phase 3",
        "apparent_l2": "Apparent Power phase 2",
    }
    for name in ("socomec-countis-e24", "socomec-countis-e34"):
        facts = {fact["address"]: fact["label"] for fact in facts_of(name)}
        points = {point.name: point for point in load(name).every_point}
        for point, label in labels.items():
            assert label in facts[points[point].address]


def test_every_sunspec_point_is_scaled_by_the_register_its_model_names() -> None:
    facts = {fact["address"]: fact for fact in facts_of("sunspec")}
    places = {fact["name"]: fact["address"] for fact in facts.values()}
    for point in load("sunspec").every_point:
        mark, scale = point.scaled_by
        assert mark.address == places["ID"]
        assert mark.scale == SUNSPEC_MODEL
        fact = facts[point.address]
        assert scale.address == places[fact["scale_factor"]]
        assert (fact["sunspec_type"] == "acc32" and not fact["mandatory"]) == bool(
            point.absent
        )


def named(meter: Profile) -> dict[str, Point]:
    return {point.name: point for point in meter.every_point}


@pytest.mark.parametrize("name", names())
def test_one_name_means_one_quantity_on_every_meter(name: str) -> None:
    codes = {
        point.name: (point.register, point.unit)
        for other in names()
        for point in load(other).every_point
    }
    for point in load(name).every_point:
        assert codes[point.name] == (point.register, point.unit)
    assert {"power", "import", "export"} <= set(named(load(name)))
