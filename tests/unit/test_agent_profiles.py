from pathlib import Path

import pytest

from meterseal_agent.meters import profile
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.registers import to_sample
from meterseal_proto.units import EXPORT, IMPORT, WATER, parse_obis

SHIPPED = profile.names()
FOLDER = Path(profile.__file__).parent / "profiles"


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def test_the_first_three_models_are_shipped() -> None:
    assert {"eastron-sdm120", "eastron-sdm630", "schneider-iem3155"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_reads_its_dump_as_expected(name: str) -> None:
    meter = profile.load(name)
    sample = to_sample(0, meter.dump.words, meter.points, meter.coding)
    for point in meter.points:
        assert sample.values.get(point.register) == meter.dump.expected[point.name]
        absent = meter.dump.expected[point.name] is None
        assert (point.register in sample.unavailable) == absent


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_can_be_planned_probed_and_names_its_document(name: str) -> None:
    meter = profile.load(name)
    assert plan(meter.points, meter.limits)
    assert len(meter.document) > 20
    low, high = meter.probe.low, meter.probe.high
    value = meter.dump.expected[meter.probe.point]
    assert value is not None
    assert low <= value <= high
    assert meter.point(IMPORT).unit == meter.point(EXPORT).unit == "Wh"
    assert meter.point(parse_obis("1-0:16.7.0")).unit == "W"


def test_an_unknown_profile_is_answered_with_the_list_of_known_ones() -> None:
    with pytest.raises(ValueError, match="choose one of eastron-sdm120"):
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
