import json
from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams.han import Splitter, decode
from meterseal_agent.meters.telegrams.han_axdr import time_text
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_proto.units import IMPORT, obis_text, parse_obis
from tests.support.binary_frames import crc, hdlc_frame, x25_bytes
from tests.support.data import shared_data

CLOCK = parse_obis("0-0:1.0.0")
LLC = "e6e7000f40000000"
KAMSTRUP = "0a0e4b616d73747275705f5630303031"


def captured() -> dict[str, bytes]:
    text = shared_data("meters", "dlms_han", "frames.json").read_text()
    return {name: bytes.fromhex(raw) for name, raw in json.loads(text).items()}


def shown(telegram: Telegram) -> dict[str, str]:
    return {
        obis_text(v.register): v.text or f"{v.number} {v.unit}".strip()
        for v in telegram.values
        if v.register is not None and not v.note
    }


def test_every_captured_frame_decodes_and_only_hdlc_is_checked() -> None:
    seen = {name: decode(raw) for name, raw in captured().items()}
    assert len(seen) == 29
    assert all(telegram.values for telegram in seen.values())
    checked = {name for name, telegram in seen.items() if telegram.checked}
    assert checked == {name for name in seen if name.startswith("hdlc.")}


def test_a_list_says_the_same_with_and_without_its_notification() -> None:
    frames = captured()
    for name, raw in frames.items():
        maker, _, kind = name.partition(".NOTIFICATION_BODY_")
        if not kind:
            continue
        whole = decode(frames[f"{maker}.{kind.lower()}"])
        sent = {v for v in whole.values if v.register == CLOCK}
        assert set(decode(raw).values) - sent == set(whole.values) - sent


@pytest.mark.parametrize(
    ("name", "meter", "expected"),
    [
        ("aidon.no_list_1", "", {"1-0:1.7.0": "280 W"}),
        (
            "aidon.no_list_3",
            "7359992892587665",
            {
                "1-0:1.8.0": "22721380 Wh",
                "1-0:4.8.0": "1708430 varh",
                "1-0:31.7.0": "1.3 A",
                "1-0:72.7.0": "230.9 V",
                "0-0:1.0.0": "2020-01-21T16:00:00+00:00",
                "0-0:96.1.7": "6525",
            },
        ),
        (
            "aidon.se_list",
            "",
            {
                "1-0:1.8.0": "10049926 Wh",
                "1-0:2.8.0": "8 Wh",
                "1-0:43.7.0": "1506 var",
                "0-0:1.0.0": "2019-12-16T07:59:40",
            },
        ),
        (
            "kamstrup.no_list_2_single_phase_real_sample",
            "5705705705705702",
            {
                "1-0:1.8.0": "77452500 Wh",
                "1-0:2.8.0": "0 Wh",
                "1-0:1.7.0": "10050 W",
                "1-0:31.7.0": "45.12 A",
                "1-0:32.7.0": "223 V",
                "1-0:0.2.129": "Kamstrup_V0001",
                "0-0:1.0.0": "2021-11-24T00:00:25",
            },
        ),
        ("kaifa.no_list_1", "", {"1-0:1.7.0": "5852 W"}),
        (
            "kaifa.no_list_3",
            "6970631402614476",
            {
                "1-0:1.8.0": "79591144 Wh",
                "1-0:3.8.0": "889389 varh",
                "1-0:31.7.0": "14.571 A",
                "1-0:32.7.0": "219.3 V",
                "0-0:96.1.7": "MA304H3E",
            },
        ),
        (
            "kaifa.se_list",
            "7340734073407340",
            {
                "1-0:1.8.0": "4786979 Wh",
                "1-0:71.7.0": "6.125 A",
                "0-0:1.0.0": "2021-09-22T17:35:30+01:00",
            },
        ),
        ("hdlc.FRAME_WITH_ESCAPE_CHARACTER_IN_INFO", "", {"1-0:1.7.0": "1661 W"}),
        (
            "hdlc.FRAME_WITH_FLAG_SEQUENCE_CHARACTER_IN_INFO",
            "",
            {"1-0:1.7.0": "5502 W", "0-0:1.0.0": "2020-02-15T01:25:34"},
        ),
    ],
)
def test_a_captured_meter_shows_its_register_to_the_last_digit(
    name: str, meter: str, expected: dict[str, str]
) -> None:
    telegram = decode(captured()[name])
    assert (telegram.protocol, telegram.meter) == ("han", meter)
    assert shown(telegram).items() >= expected.items()


def test_power_current_and_voltage_of_real_samples_agree() -> None:
    # S = U x I of one phase, against P and Q of the whole: scales cannot be off by ten.
    for name in (
        "kamstrup.no_list_1_single_phase_real_sample",
        "kamstrup.no_list_2_single_phase_real_sample",
    ):
        row = {
            obis_text(v.register): v.number
            for v in decode(captured()[name]).values
            if v.register is not None and v.number is not None
        }
        apparent = row["1-0:31.7.0"] * row["1-0:32.7.0"]
        active = row["1-0:1.7.0"]
        reactive = max(row["1-0:3.7.0"], row["1-0:4.7.0"])
        assert abs(apparent**2 / (active**2 + reactive**2) - 1) < Decimal("0.1"), name


def test_the_telegrams_own_time_stands_beside_the_lists_clock() -> None:
    telegram = decode(captured()["kaifa.no_list_3"])
    clocks = [(v.text, v.note) for v in telegram.values if v.register == CLOCK]
    assert clocks == [("2020-01-25T14:00:10", ""), ("2020-01-25T14:00:10", "sent")]
    assert all(v.number is None for v in telegram.values if v.register == CLOCK)


def kamstrup(*pairs: str, meter_type: str = "") -> bytes:
    parts = [KAMSTRUP]
    if meter_type:
        text = meter_type.encode().hex()
        parts += [
            "0906010160010 1ff".replace(" ", ""),
            f"0a{len(meter_type):02x}{text}",
        ]
    parts += pairs
    return hdlc_frame(bytes.fromhex(f"{LLC}0002{len(parts):02x}" + "".join(parts)))


def only(frame: bytes, obis: str, **options: int) -> Value:
    (found,) = (
        v for v in decode(frame, **options).values if v.register == parse_obis(obis)
    )
    return found


def test_a_kamstrup_with_three_decimals_is_read_as_told() -> None:
    frame = kamstrup("0906010101 0800ff".replace(" ", ""), "06000003e9")
    assert only(frame, "1-0:1.8.0").number == 10_010
    assert only(frame, "1-0:1.8.0", kamstrup_step_wh=1).number == 1_001


@pytest.mark.parametrize(
    ("meter_type", "amperes"), [("6841", "91.00"), ("6851", "9.100")]
)
def test_a_kamstrup_behind_current_transformers_counts_milliamperes(
    meter_type: str, amperes: str
) -> None:
    frame = kamstrup("090601011f0700ff", "060000238c", meter_type=meter_type)
    assert str(only(frame, "1-0:31.7.0").number) == amperes


def test_a_phase_a_meter_lacks_is_no_value_and_shifts_none() -> None:
    code, other = "090601011f0700ff", "0906010101 0800ff".replace(" ", "")
    for frame in (
        kamstrup(code, "00", other, "0600000001"),
        kamstrup("00", "00", other, "0600000001"),
        kamstrup(other, "0600000001", "00"),
    ):
        numbers = [v for v in decode(frame).values if v.number is not None]
        assert numbers == [Value(IMPORT, Decimal(10), "Wh")]


def line(obis: str, number: str, scaler: str, unit: str) -> str:
    return f"02030906{obis}{number}02020f{scaler}16{unit}"


@pytest.mark.parametrize(
    ("number", "scaler", "unit", "expected", "text"),
    [
        ("0600000001", "00", "1e", "1", "Wh"),
        ("06ffffffff", "03", "1e", "4294967295000", "Wh"),
        ("15ffffffffffffffff", "ff", "1e", "1844674407370955161.5", "Wh"),
        ("10ffff", "ff", "21", "-0.1", "A"),
        ("05ffffffff", "00", "1b", "-1", "W"),
        ("11ff", "00", "c8", "255", "unit 200"),
    ],
)
def test_a_self_describing_line_is_exact(
    number: str, scaler: str, unit: str, expected: str, text: str
) -> None:
    body = "0101" + line("0100010800ff", number, scaler, unit)
    found = only(hdlc_frame(bytes.fromhex(f"{LLC}00{body}")), "1-0:1.8.0")
    assert (str(found.number), found.unit) == (expected, text)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("07e509160311231effffc400", "2021-09-22T17:35:30+01:00"),
        ("07e50916031123ff00ff8800", "07e50916031123ff00ff8800"),
        ("07e50916031100000000 7800".replace(" ", ""), "2021-09-22T17:00:00-02:00"),
        ("07e509160311231eff800000", "2021-09-22T17:35:30"),
        ("07e509160311231eff0b4080", "2021-09-22T17:35:30"),
        ("ffffffffffffffffff800000", "ffffffffffffffffff800000"),
    ],
)
def test_a_moment_is_iso_text_or_left_as_it_came(raw: str, text: str) -> None:
    assert time_text(bytes.fromhex(raw)) == text


def framed(body: str) -> bytes:
    return hdlc_frame(bytes.fromhex(LLC + "00" + body))


def with_format(first: int) -> bytes:
    """A frame with another format byte, its sums put right."""
    raw = bytearray(framed("0201" + "06000016dc")[1:-3])
    raw[0] = first
    raw[6:8] = x25_bytes(bytes(raw[:6]))
    return b"\x7e" + bytes(raw) + x25_bytes(bytes(raw)) + b"\x7e"


def wrong_head() -> bytes:
    """A frame whose FCS is right over a header whose HCS is not."""
    raw = bytearray(framed("0201" + "06000016dc")[1:-3])
    raw[6] ^= 1
    return b"\x7e" + bytes(raw) + x25_bytes(bytes(raw)) + b"\x7e"


GOOD = framed("0201" + "06000016dc")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "ends inside a notification"),
        (b"\x7e", "no DLMS data-notification"),
        (GOOD[:-1], "without its closing flag"),
        (b"\x7e\xa0\x03\x7e", "no HDLC frame of type 3"),
        (GOOD[:20] + GOOD[21:], "but its length says"),
        (GOOD[:-2] + b"\x00\x7e", "FCS is wrong"),
        (wrong_head(), "HCS is wrong"),
        (with_format(0xA8), "one segment of a longer telegram"),
        (hdlc_frame(bytes.fromhex("0f40000000000201060000")), "no LLC header"),
        (hdlc_frame(bytes.fromhex("e6e700db0842")), "enciphered"),
        (hdlc_frame(bytes.fromhex("e6e700c0")), "no DLMS data-notification"),
        (hdlc_frame(bytes.fromhex("e6e7000f400000000b")), "time of wrong length"),
        (bytes.fromhex("e6e6000f40000000000201060000"), "no DLMS data-notification"),
        (framed(""), "ends inside an element"),
        (framed("0201" + "06000016dc00"), "bytes behind the list"),
        (framed("0200"), "holds no list"),
        (framed("0600000001"), "holds no list"),
        (framed("0202" + "0600000001" * 2), "value where an OBIS code should be"),
        (framed("0202" + "09030100ff" + "0600000001"), "value where an OBIS code"),
        (framed("0201" + "09060100010800ff"), "OBIS code without a value"),
        (framed("0202" + "09060100010800ff" + "0600000001"), "gives no units"),
        (framed("0202" + "0201" + "00" + "00"), "a list of lines and loose values"),
        (framed("0101" + "0201" + "00"), "a line without OBIS code and value"),
        (framed("0101" + "0202" + "09060100010800ff" + "00"), "neither number nor text"),
        (
            framed("0101" + "0203" + "09060100010800ff" + "0600000001" + "0200"),
            "no scaler and unit",
        ),
        (framed("0101" + line("0100010800ff", "0600000001", "13", "1e")), "power of ten"),
        (framed("0101" + line("0100010800ff", "1700000000", "00", "1e")), "type 23"),
        (framed("02ff"), "a list|a length"),
        (framed("0283010101"), "length longer than any frame"),
        (framed("0101" * 12 + "00"), "nested deeper"),
        (b"\x0f" + bytes(3000), "longer than any HAN telegram"),
    ],
)  # fmt: skip
def test_what_is_no_telegram_is_refused_with_its_reason(
    frame: bytes, reason: str
) -> None:
    with pytest.raises(BadTelegram, match=reason) as refused:
        decode(frame)
    assert 0 <= refused.value.offset <= max(len(frame), 1)


def test_flags_may_be_stripped_and_one_flag_may_serve_two_frames() -> None:
    assert decode(GOOD[1:-1]) == decode(GOOD)
    stream = GOOD + GOOD[1:] + GOOD
    cut = Splitter().feed(stream)
    assert [frame.raw for frame in cut] == [GOOD] * 3
    assert [frame.offset for frame in cut] == [0, len(GOOD) - 1, 2 * len(GOOD) - 1]


def test_a_flag_among_the_data_begins_no_frame() -> None:
    stripped = captured()["hdlc.FRAME_WITH_FLAG_SEQUENCE_CHARACTER_IN_INFO"]
    assert b"\x7e" in stripped
    frame = b"\x7e" + stripped + b"\x7e"
    # Listening begins in the middle of a frame, just before the flag in its data.
    stream = frame[frame.index(b"\x7e", 1) :] + frame + frame
    assert [cut.raw for cut in Splitter().feed(stream)] == [frame, frame]


def test_lost_bytes_cost_their_frame_and_no_other() -> None:
    for lost in range(1, len(GOOD) - 1):
        stream = GOOD[:lost] + GOOD[lost + 1 :] + GOOD + GOOD
        good = [cut for cut in Splitter().feed(stream) if cut.raw == GOOD]
        assert len(good) == 2, lost


def test_the_frames_in_these_tests_have_the_catalogues_sum() -> None:
    assert crc(b"123456789", 0xFFFF) ^ 0xFFFF == 0x906E
