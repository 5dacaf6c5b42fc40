from pathlib import Path

import pytest

from meterseal_agent.meters import profile
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.registers import to_sample
from meterseal_proto.units import EXPORT, IMPORT, WATER, parse_obis

SHIPPED = profile.names()
SCALE = """
[[scales]]
name = "ct"
address = 6
type = "u16"
form = "factor"
scale = "1"
"""
FOLDER = Path(profile.__file__).parent / "profiles"


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def test_the_first_three_models_are_shipped() -> None:
    assert {"eastron-sdm120", "eastron-sdm630", "schneider-iem3155"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_reads_its_dump_as_expected(name: str) -> None:
    meter = profile.load(name)
    sample = to_sample(0, meter.dump.words, meter.every_point, meter.coding)
    for point in meter.every_point:
        assert sample.values.get(point.register) == meter.dump.expected[point.name]
        absent = meter.dump.expected[point.name] is None
        assert (point.register in sample.unavailable) == absent


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_can_be_planned_probed_and_names_its_document(name: str) -> None:
    meter = profile.load(name)
    for block in plan(meter.every_point, meter.limits):
        assert block.count <= meter.limits.read_limit
    assert len(meter.document) > 20
    low, high = meter.probe.low, meter.probe.high
    value = meter.dump.expected[meter.probe.point]
    assert value is not None
    assert low <= value <= high
    assert meter.point(IMPORT).unit == meter.point(EXPORT).unit == "Wh"
    assert meter.point(parse_obis("1-0:16.7.0")).unit == "W"


def test_an_unknown_profile_is_answered_with_the_list_of_known_ones() -> None:
    with pytest.raises(ValueError, match="choose one of abb-b23"):
        profile.load("acme-1")
    with pytest.raises(ValueError, match="choose one of"):
        profile.load("../profile")


def test_a_register_a_meter_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(ValueError, match="import, export"):
        profile.load("eastron-sdm120").point(WATER)


def test_an_installers_own_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text_of("eastron-sdm120"), encoding="utf-8")
    assert profile.load_file(path).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "read_limit = 50",
            "read_limit = 500",
            "read_limit must be an integer from 1 to 125",
        ),
        ("read_limit = 50", "read_limits = 50", "read_limit is missing"),
        ("function = 4", "function = 4\ncolour = 1", "unknown key colour"),
        ("function = 4", "function = true", "function must be an integer"),
        ("function = 4", "function = 6", "function must be an integer from 3 to 4"),
        (
            'word_order = "big"',
            'word_order = "middle"',
            "word_order must be big or little",
        ),
        ("pairs = true", 'pairs = "yes"', "pairs must be true or false"),
        ("readable = []", "readable = [[9, 3]]", "readable must hold"),
        ("not_available = []", 'not_available = ["FF"]', "16-bit registers"),
        ("not_available = []", 'not_available = ["XYZW"]', "is not hex"),
        ("not_available = []", "not_available = [1]", "must be hex texts"),
        ("not_available = []", 'not_available = ["u32:FFFF"]', "no type of 2 bytes"),
        ("not_available = []", 'not_available = ["u8:FFFF"]', "'u8' is no type"),
        ("address = 6", 'address = 6\nscaled_by = ["ct"]', "'ct', which is no scale"),
        ("address = 6", 'address = 6\nnot_available = ["0"]', "is not hex"),
        ("address = 6", "address = 6\nfolded = 1", "folded must be true or false"),
        ("[probe]", SCALE.replace('"u16"', '"u9"') + "[probe]", "'u9' is not a valid"),
        ("[probe]", SCALE.replace('"factor"', '"log"') + "[probe]", "'log' is not a"),
        ("[probe]", SCALE + "[probe]", "no point is scaled by ct"),
        ('point = "voltage"', 'point = "volts"', "probe names no point"),
        ('name = "current"', 'name = "voltage"', "share a name"),
        ('obis = "1-0:31.7.0"', 'obis = "1-0:32.7.0"', "share a name or an OBIS"),
        ('obis = "1-0:31.7.0"', 'obis = "amps"', "is no OBIS code"),
        ('type = "f32"', 'type = "f16"', "'f16' is not a valid Kind"),
        ('scale = "1000"', 'scale = "1000 x"', "is no decimal"),
        ('scale = "1000"', 'scale = "0"', "scale must not be 0"),
        ('scale = "1000"', "scale = 1000", "scale must be a text"),
        ("address = 6", "address = 7", "address 7 is odd"),
        ("address = 6", "address = 6\nwide = 1", "unknown key wide"),
        ("voltage = 231500", "volt = 231500", "must name every point"),
        ("voltage = 231500", 'voltage = "none"', "must be an integer or 'absent'"),
        ('6 = "', 'six = "', "is no register address"),
        ("[probe]", "[probe", "is not TOML"),
        ("[probe]", "[prose]", "probe is missing"),
        ("[probe]", "[serial]\nbaud = 9600\n[probe]", "unknown key serial"),
        (
            'manufacturer = "Eastron"',
            'manufacturer = ""',
            "manufacturer must be a text",
        ),
    ],
)
def test_a_wrong_profile_is_refused_with_the_place_named(
    old: str, new: str, message: str
) -> None:
    text = text_of("eastron-sdm120")
    assert old in text
    with pytest.raises(ValueError, match=message):
        profile.parse("spoilt", text.replace(old, new, 1))


def test_a_declared_rollover_width_is_kept() -> None:
    text = text_of("schneider-iem3155")
    first = text.replace('unit = "Wh"', 'unit = "Wh"\nrollover = 100000000', 1)
    assert profile.parse("x", first).point(IMPORT).rollover == 100_000_000
    assert profile.load("schneider-iem3155").point(IMPORT).rollover is None


def test_a_poll_reads_the_points_and_the_details_a_home_settles_by() -> None:
    meter = profile.load("inepro-pro380")
    tariff = parse_obis("1-0:1.8.1")
    assert tariff not in {point.register for point in meter.points}
    assert meter.point(tariff).name == "import_t1"
    polled = meter.polling([IMPORT, tariff])
    assert {point.name for point in polled.points} - {
        point.name for point in meter.points
    } == {"import_t1"}
    assert len(polled.every_point) == len(meter.every_point)
    with pytest.raises(ValueError, match="no such register"):
        meter.polling([WATER])


def test_a_whole_profile_reads_every_point_in_every_sample() -> None:
    meter = profile.load("eastron-sdm630")
    assert len(plan(meter.points, meter.limits)) == 1
    assert meter.whole().points == meter.every_point
    assert not meter.whole().details


def test_a_transformers_ratio_is_read_with_the_points_it_scales() -> None:
    text = text_of("chint-dtsu666")
    ratio = SCALE.replace("[[scales]]", "[[scales]]\n# IrAt, current ratio.", 1)
    scaled = text.replace('unit = "Wh"', 'unit = "Wh"\nscaled_by = ["ct"]').replace(
        "[[points]]", ratio + "\n[[points]]", 1
    )
    words = '[dump.words]\n6 = "003C"\n'
    meter = profile.parse("mine", scaled.replace("[dump.words]\n", words))
    direct = profile.load("chint-dtsu666")
    sample = to_sample(0, meter.dump.words, meter.points, meter.coding)
    before = to_sample(0, direct.dump.words, direct.points, direct.coding)
    assert before.values[IMPORT] == 7_654_321
    # 7,654.321 kWh in float32 is 7,654.32080078125; times 60 it is 459,259,248.046875 Wh.
    assert sample.values[IMPORT] == 459_259_248
    assert sample.power_w == before.power_w
