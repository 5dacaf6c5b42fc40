import json
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_sim.catalogue import profile, profiles
from meterseal_sim.electrical import MeterState, quantities
from meterseal_sim.faults.words import not_available, swapped
from meterseal_sim.image import Trouble, encode, read, respond
from meterseal_sim.profile import TEXT, Register, parse
from meterseal_sim.refusal import Refused
from tests.support.data import shared_data

STATE = MeterState(
    serial=62_240_001,
    unit=1,
    import_wh=8_191_999,
    export_wh=1_234_567,
    power_w=-2400.0,
    demand_w=0.0,
    demand_peak_w=3100.0,
    voltages=(231.0, 230.0, 229.0),
    frequency_hz=50.01,
    shares=(400, 300, 300),
    factor=980,
    tangent=203,
)
VALUES = quantities(STATE)
FACTS = {
    "eastron-sdm120": "eastron-sdm120m",
    "eastron-sdm630": "eastron-sdm630-v2",
    "schneider-iem3155": "schneider-iem3000",
}
"""Models the facts call by another name; the rest are called alike."""
STEPS = {"W": 1, "VA": 1, "var": 1, "Wh": 1, "varh": 1, "VAh": 1}
STEPS |= {"kWh": 1000, "kWh/MWh": 1000, "kvarh": 1000, "kVarh": 1000, "kVArh": 1000}
STEPS |= {"kVArh/MVArh": 1000, "kVAh/MVAh": 1000, "kVAh": 1000}
"""What a unit of the facts is in the simulator's; the others are alike."""


def facts_of(name: str) -> dict[str, Any]:  # one meter of the facts, as JSON says it
    facts = json.loads(shared_data("meters", "modbus_register_maps.json").read_text())
    wanted = FACTS.get(name, name)
    found: dict[str, Any] = next(m for m in facts["meters"] if m["id"] == wanted)
    return found


def words_of(name: str, address: int, count: int) -> bytes:
    model = profile(name)
    function = 3 if "iem" in name else 4
    words = read(model, VALUES, function, address, count)
    assert not isinstance(words, Trouble)
    return struct.pack(f">{count}H", *words)


@pytest.mark.parametrize("name", sorted(profiles()))
def test_every_register_of_a_profile_has_a_value(name: str) -> None:
    model = profile(name)
    for register in model.registers:
        words = read(model, VALUES, register.function, register.address, register.width)
        assert not isinstance(words, Trouble), register


@pytest.mark.parametrize("name", sorted(set(profiles()) - {"sunspec"}))
def test_a_profile_holds_every_point_the_vendor_facts_name(name: str) -> None:
    meter, model = facts_of(name), profile(name)
    held = {(r.function, r.address): r for r in model.registers}
    for point in meter["registers"]:
        for function in str(meter["function_code"]).split(" or "):
            register = held[int(function), point["address"]]
            assert register.kind == point["type"], point
            step = Fraction(str(point["multiplier"])) * STEPS.get(point["unit"], 1)
            assert Fraction(register.divide, register.times) == step, point
    assert model.max_registers == (meter.get("max_registers_per_read") or 125)
    assert model.low_word_first == meter["word_order"].startswith("little")
    assert model.phases == meter["phases"]


def test_a_sunspec_device_tells_its_chain_and_scales_as_its_models_say() -> None:
    models = {one["model"]: one for one in facts_of("sunspec")["models"]}
    model, at = profile("sunspec"), 40002
    held = {register.address: register for register in model.registers}
    assert held[40000].raw == 0x53756E53
    for number in (1, 203):
        points = {point["name"]: point for point in models[number]["points"]}
        assert (held[at].raw, held[at + 1].raw) == (number, models[number]["length"])
        for point in points.values():
            register = held.get(at + point["offset"])
            if point["mandatory"]:
                assert register is not None, point
            if register is None or not register.quantity or register.kind == TEXT:
                continue
            assert register.kind == point["type"], point
            scale = points.get(point["scale_factor"])
            power = held[at + scale["offset"]].raw if scale else 0
            assert power is not None
            per = Fraction(1, 100) if point["unit"] == "Pct" else 1
            shown = Fraction(register.divide, register.times)
            assert shown == Fraction(10) ** power * per, point
        at += 2 + models[number]["length"]
    assert held[at].raw == 0xFFFF


def test_the_19_models_of_the_facts_are_on_the_shelf() -> None:
    facts = json.loads(shared_data("meters", "modbus_register_maps.json").read_text())
    assert {FACTS.get(name, name) for name in profiles()} == {
        meter["id"] for meter in facts["meters"]
    }


def test_raw_bits_and_texts_are_shown_as_they_are() -> None:
    nothing = Register(3, 0, "u64", "", 1, raw=-1)
    assert encode(nothing, {}, low_word_first=True) == (0xFFFF,) * 4
    scale = Register(3, 0, "s16", "", 1, raw=-2)
    assert encode(scale, {}, low_word_first=False) == (0xFFFE,)
    told = Register(3, 0, TEXT, "", 1, said="SDM", words=3)
    assert encode(told, {}, low_word_first=True) == (0x5344, 0x4D00, 0)
    serial = Register(3, 0, TEXT, "serial", 1, words=4)
    assert encode(serial, VALUES, low_word_first=False) == (
        *(0x3632, 0x3234),
        *(0x3030, 0x3031),
    )


def test_both_tariffs_add_up_to_their_register_and_only_grow() -> None:
    later = quantities(replace(STATE, import_wh=STATE.import_wh + 1))
    for name in ("import", "export", "total", "reactive_import", "reactive_total"):
        assert VALUES[f"{name}_t1"] + VALUES[f"{name}_t2"] == VALUES[name]
        assert later[f"{name}_t1"] >= VALUES[f"{name}_t1"]
        assert later[f"{name}_t2"] >= VALUES[f"{name}_t2"]


def test_an_sdm_counts_kwh_in_float32() -> None:
    taken, given = struct.unpack(">ff", words_of("sdm630", 72, 4))
    assert round(taken * 1000) == STATE.import_wh
    assert round(given * 1000) == STATE.export_wh


def test_an_iem_counts_wh_in_64_bits_and_power_in_kw() -> None:
    assert struct.unpack(">qq", words_of("iem3155", 3203, 8)) == (8_191_999, 1_234_567)
    (power,) = struct.unpack(">f", words_of("iem3155", 3059, 2))
    assert power == pytest.approx(-2.4)


@given(st.integers(0, 8_191_999))
def test_every_wh_below_8192_kwh_survives_an_sdms_float(wh: int) -> None:
    register = Register(4, 72, "f32", "import", 1000)
    words = encode(register, {"import": wh}, low_word_first=False)
    (kwh,) = struct.unpack(">f", struct.pack(">HH", *words))
    assert round(kwh * 1000) == wh


def test_low_word_first_swaps_the_words() -> None:
    register = Register(4, 0, "u32", "serial", 1)
    high, low = encode(register, {"serial": 0x1234_5678}, low_word_first=False)
    assert (high, low) == (0x1234, 0x5678)
    assert encode(register, {"serial": 0x1234_5678}, low_word_first=True) == (low, high)


@pytest.mark.parametrize(
    ("name", "function", "address", "count", "trouble"),
    [
        ("sdm630", 4, 0, 82, Trouble.ILLEGAL_VALUE),
        ("sdm630", 4, 0, 0, Trouble.ILLEGAL_VALUE),
        ("sdm630", 4, 1, 2, Trouble.ILLEGAL_ADDRESS),
        ("sdm630", 4, 0, 3, Trouble.ILLEGAL_ADDRESS),
        ("sdm630", 4, 44, 2, Trouble.ILLEGAL_ADDRESS),
        ("sdm630", 4, 88, 2, Trouble.ILLEGAL_ADDRESS),
        ("sdm630", 4, 86, 4, Trouble.ILLEGAL_ADDRESS),
        ("sdm630", 4, 86, 20, Trouble.ILLEGAL_ADDRESS),
        ("sdm120", 4, 0, 126, Trouble.ILLEGAL_VALUE),
        ("sdm120", 4, 346, 2, Trouble.ILLEGAL_ADDRESS),
        ("iem3155", 3, 2999, 126, Trouble.ILLEGAL_VALUE),
        ("iem3155", 3, 3111, 2, Trouble.ILLEGAL_ADDRESS),
        ("iem3155", 3, 65535, 2, Trouble.ILLEGAL_ADDRESS),
    ],
)
def test_a_read_the_vendor_refuses_is_refused(
    name: str, function: int, address: int, count: int, trouble: Trouble
) -> None:
    assert read(profile(name), VALUES, function, address, count) is trouble


def test_one_read_of_80_registers_spans_the_holes_of_an_sdm630() -> None:
    block = words_of("sdm630", 0, 80)
    assert struct.unpack(">f", block[:4]) == (231.0,)
    assert block[44 * 2 : 46 * 2] == bytes(4)


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (bytes((6, 0, 0, 0, 1)), bytes((0x86, 1))),
        (bytes((3, 0x0B, 0xC1, 0)), bytes((0x83, 3))),
        (bytes((4, 0, 0, 0, 2)), bytes((0x84, 1))),
        (b"", bytes((0x80, 1))),
        (bytes((3, 0, 129, 0, 2)), bytes((3, 4)) + struct.pack(">I", 62_240_001)),
    ],
)
def test_an_iem_answers_function_3_and_nothing_else(
    request_pdu: bytes, answer: bytes
) -> None:
    assert respond(profile("iem3155"), VALUES, request_pdu) == answer


def test_power_voltage_and_current_agree() -> None:
    powers = [
        VALUES[f"voltage_l{n}"] * VALUES[f"current_l{n}"] * VALUES[f"factor_l{n}"]
        for n in (1, 2, 3)
    ]
    assert sum(powers) == pytest.approx(STATE.power_w)
    assert VALUES["power"] == STATE.power_w
    assert VALUES["neutral_current"] < VALUES["current_l1"]
    assert VALUES["voltage_l12"] == pytest.approx(399.3, abs=0.1)


@pytest.mark.parametrize("phase", ["", "_l1", "_l2", "_l3"])
def test_totals_are_import_plus_export(phase: str) -> None:
    for kind in ("", "reactive_"):
        both = VALUES[f"{kind}import{phase}"] + VALUES[f"{kind}export{phase}"]
        assert VALUES[f"{kind}total{phase}"] == both > 0


def test_a_profile_that_is_wrong_says_where() -> None:
    with pytest.raises(Refused, match="'name'"):
        parse("title = 'nameless'")
    text = (
        'name = "x"\ntitle = ""\nvendor = ""\ndocument = ""\nphases = 1\n'
        "low_word_first = true\nmax_registers = 9\npairs_only = false\n"
        "exact_below_wh = 1\npage = [{function = 4, first = 0, last = 1}]\n"
    )
    row = "register = [{{function = 4, address = {}, kind = '{}', quantity = 'power'}}]"
    with pytest.raises(Refused, match="1 lies on no page"):
        parse(text + row.format(1, "f32"))
    with pytest.raises(Refused, match="kind 'f16'"):
        parse(text + row.format(0, "f16"))
    with pytest.raises(Refused, match="says how many words"):
        parse(text + row.format(0, "text"))
    with pytest.raises(Refused, match="either a quantity, or raw"):
        parse(text + row.format(0, "f32").replace("quantity =", "raw = 1, quantity ="))


def test_a_profile_is_found_by_the_end_of_its_name() -> None:
    assert profile("sdm120") is profile("eastron-sdm120")
    with pytest.raises(Refused, match="choose one of abb-b23"):
        profile("sdm999")


@pytest.mark.parametrize(
    ("model", "quantity", "shown"),
    [
        ("eastron-sdm630", "import", (0x7FC0, 0)),
        ("shelly-pro-3em", "import", (0, 0x7FC0)),
        ("siemens-pac2200", "import", (0x7FF8, 0, 0, 0)),
        ("schneider-iem3155", "import", (0x8000, 0, 0, 0)),
        ("schneider-pm5xxx", "power", (0xFFC0, 0)),
        ("abb-b23", "import", (0xFFFF,) * 4),
        ("abb-b23", "power", (0x7FFF, 0xFFFF)),
        ("carlo-gavazzi-em340", "power", (0xFFFF, 0x7FFF)),
        ("sunspec", "power", (0x8000,)),
        ("sunspec", "serial", (9,) * 16),
    ],
)
def test_what_is_not_available_is_shown_as_the_model_shows_it(
    model: str, quantity: str, shown: tuple[int, ...]
) -> None:
    registers = profile(model).registers
    register = next(one for one in registers if one.quantity == quantity)
    assert not_available(register, (9,) * register.width) == shown


def test_a_meter_without_values_or_with_turned_words_is_still_what_it_is() -> None:
    scale = Register(3, 0, "s16", "", 1, raw=-2)
    told = Register(3, 0, TEXT, "serial", 1, words=2)
    assert not_available(scale, (0xFFFE,)) == (0xFFFE,)
    assert swapped(told, (1, 2)) == (1, 2)
    assert swapped(Register(3, 0, "u32", "serial", 1), (1, 2)) == (2, 1)
