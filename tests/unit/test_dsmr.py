"""P1 telegrams of six countries: what they tell, and why one is refused."""

from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams import dsmr, readout
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_proto.units import EXPORT, IMPORT, parse_obis
from tests.support.data import shared_data
from tests.support.text_telegrams import energy, p1, p1_crc

STREAM = "nl_v5_stream_first_100.txt"
ONE_EACH = {
    "esy5q3db1024_v304.txt": (False, 9, "1ESY1313002565"),
    "fluvius_v171.txt": (True, 38, "1SAG3101021605"),
    "se_example_data_a_landisgyr_360.txt": (True, 27, "LGF5E360"),
    "se_example_data_c.txt": (True, 27, r"ELL5\253833635_A"),
    "unpadded_crc.txt": (True, 8, "ADC3100000158491"),
    "v2_2.txt": (False, 16, r"ISk5\2MT382-1004"),
    "v4_2.txt": (True, 35, "3960221976967177082151037881335713"),
    "v5.txt": (True, 37, "K8EG004046395507"),
}


def one(name: str) -> Telegram:
    (frame,) = dsmr.Splitter().feed(
        shared_data("meters", "dsmr", name).read_bytes() + b"\r\n"
    )
    return dsmr.decode(frame.raw)


def told(telegram: Telegram, code: str) -> list[Value]:
    return [v for v in telegram.values if v.register == parse_obis(code)]


def test_no_file_of_the_test_data_is_left_out() -> None:
    there = {path.name for path in shared_data("meters", "dsmr").iterdir()}
    assert there == {STREAM, *ONE_EACH}


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_telegram_says_how_much_it_tells_who_it_is_and_whether_it_was_checked(
    name: str,
) -> None:
    telegram = one(name)
    found = (telegram.checked, len(telegram.values), telegram.meter)
    assert found == ONE_EACH[name]
    assert all(value.register is not None for value in telegram.values)


@pytest.mark.parametrize(
    ("name", "code", "number", "unit"),
    [
        ("v5.txt", "1-0:1.8.1", "4.426", "kWh"),
        ("v5.txt", "1-0:31.7.0", "0.48", "A"),
        ("v5.txt", "0-0:96.7.21", "13", ""),
        ("v5.txt", "0-1:24.2.1", "0.107", "m3"),
        ("v2_2.txt", "0-1:24.2.1", "1.001", "m3"),
        ("v2_2.txt", "0-1:24.1.0", "3", ""),
        ("v4_2.txt", "0-1:24.2.1", "981.443", "m3"),
        ("fluvius_v171.txt", "0-1:24.2.3", "112.384", "m3"),
        ("fluvius_v171.txt", "0-2:24.2.1", "872.234", "m3"),
        ("fluvius_v171.txt", "1-0:1.6.0", "2.589", "kW"),
        ("unpadded_crc.txt", "0-1:24.2.1", "240.860", "GJ"),
        ("se_example_data_a_landisgyr_360.txt", "1-0:1.8.0", "896.020", "kWh"),
        ("se_example_data_c.txt", "1-0:4.8.0", "185.707", "kvarh"),
        ("esy5q3db1024_v304.txt", "1-0:1.8.0", "52185.7825309", "kWh"),
    ],
)
def test_a_number_is_exact_in_the_unit_that_came(
    name: str, code: str, number: str, unit: str
) -> None:
    (value,) = told(one(name), code)
    assert value.number is not None
    assert (str(value.number), value.unit) == (number, unit)


@pytest.mark.parametrize(
    ("name", "code", "note"),
    [
        ("v5.txt", "0-1:24.2.1", "2017-01-02 16:10:05 W"),
        ("v2_2.txt", "0-1:24.2.1", "2016-11-07 19:00:00"),
        ("fluvius_v171.txt", "1-0:1.6.0", "2020-05-09 13:45:58 S"),
        ("fluvius_v171.txt", "0-2:24.2.1", "2020-05-12 13:45:58 S"),
    ],
)
def test_a_dated_value_is_noted_with_its_date(name: str, code: str, note: str) -> None:
    assert [value.note for value in told(one(name), code)] == [note]


def test_kept_peaks_and_logged_failures_are_values_with_their_dates() -> None:
    peaks = told(one("fluvius_v171.txt"), "0-0:98.1.0")
    assert [str(peak.number) for peak in peaks] == ["3.695", "5.980", "4.318"]
    assert peaks[0].note == "2020-05-01 00:00:00 S, 2020-04-23 19:25:38 S"
    failures = told(one("v4_2.txt"), "1-0:99.97.0")
    assert (failures[0].number, failures[0].unit) == (Decimal(237_126), "s")
    assert failures[0].note == "2000-01-04 18:03:20 W"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("0-0:96.1.1", "4B384547303034303436333935353037"),
        ("0-0:1.0.0", "170102192002W"),
        ("0-0:96.14.0", "0002"),
        ("1-3:0.2.8", "50"),
        ("0-0:96.13.0", ""),
        ("1-0:99.97.0", "(0)(0-0:96.7.19)"),
    ],
)
def test_names_dates_and_empty_lists_are_texts_not_numbers(
    code: str, text: str
) -> None:
    (value,) = told(one("v5.txt"), code)
    assert (value.number, value.text) == (None, text)


def test_the_checksum_is_crc_16_arc() -> None:
    assert dsmr.crc16(b"123456789") == 0xBB3D == p1_crc(b"123456789")


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 100_000])
def test_every_telegram_of_a_raw_capture_is_found_in_chunks_of_any_size(
    size: int,
) -> None:
    stream = shared_data("meters", "dsmr", STREAM).read_bytes()
    splitter = dsmr.Splitter()
    frames = [
        frame
        for at in range(0, len(stream), size)
        for frame in splitter.feed(stream[at : at + size])
    ]
    assert len(frames) == 100
    assert b"".join(frame.raw for frame in frames) == stream
    assert all(stream[f.offset :].startswith(f.raw) for f in frames)
    imports = [told(dsmr.decode(f.raw), "1-0:1.8.1")[0].number for f in frames]
    assert (imports[0], imports[-1]) == (Decimal("3432.827"), Decimal("3432.839"))


def test_a_stream_that_begins_and_ends_amid_a_telegram_gives_the_whole_ones() -> None:
    stream = shared_data("meters", "dsmr", STREAM).read_bytes()
    frames = dsmr.Splitter().feed(stream[400:-300])
    assert len(frames) == 98
    assert all(dsmr.decode(frame.raw).checked for frame in frames)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_telegram_cut_off_by_the_next_is_dropped_and_the_next_is_whole(
    size: int,
) -> None:
    whole = p1(*energy(1000, 0))
    stream = whole[:60] + whole
    splitter = dsmr.Splitter()
    (frame,) = [
        frame
        for at in range(0, len(stream), size)
        for frame in splitter.feed(stream[at : at + size])
    ]
    assert (frame.offset, frame.raw) == (60, whole)


@pytest.mark.parametrize(("size", "looks"), [(1, 34), (64, 2), (4096, 2)])
def test_a_stream_is_looked_through_a_bounded_number_of_times(
    size: int, looks: int
) -> None:
    stream = shared_data("meters", "dsmr", STREAM).read_bytes()
    looked = 0

    def count(buffer: bytearray, begin: int) -> int:
        nonlocal looked
        end = buffer.find(b"!", begin)
        end = buffer.find(b"\n", end) + 1 if end >= 0 else 0
        looked += (end or len(buffer)) - begin
        return end or -1

    splitter = readout.TextSplitter(count)
    frames = [
        frame
        for at in range(0, len(stream), size)
        for frame in splitter.feed(stream[at : at + size])
    ]
    assert len(frames) == 100
    assert looked <= looks * len(stream)


def test_noise_without_end_is_not_kept() -> None:
    splitter = dsmr.Splitter()
    for _ in range(100):
        assert splitter.feed(b"/ISk5" + bytes(readout.MAX_FRAME_BYTES)) == []
    assert len(splitter._buffer) <= readout.MAX_FRAME_BYTES
    assert len(splitter.feed(p1(*energy(1, 2)))) == 1


@pytest.mark.parametrize(
    ("frame", "why", "offset"),
    [
        (b"", "begins with /", 0),
        (b"1-0:1.8.0(1*kWh)\r\n!\r\n", "begins with /", 0),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)\r\n", "cut off", 29),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)\r\n!1234\r\n", "checksum is", 29 + 1),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)\r\n!xyz\r\n", "neither a checksum", 29 + 1),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)\r\n!\nBD7\r\n", "neither a check", 29 + 1),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)\r\n!\n", "neither a check", 29 + 1),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh)!\r\n", "its own line", 27),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1x*kWh)\r\n!\r\n", "is no number", 11),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*kWh\r\n!\r\n", "no line of the form", 11),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.p(1*kWh)\r\n!\r\n", "no OBIS code", 11),
        (b"/ISk5\\2\r\n\r\n1-0:1.8.0(1*k\xd7h)\r\n!\r\n", "no ASCII", 11),
        (b"/ISk5\\2\r\n\r\n!\r\n", "holds no value", 11),
    ],
)
def test_what_is_no_telegram_is_refused_with_its_place(
    frame: bytes, why: str, offset: int
) -> None:
    with pytest.raises(BadTelegram, match=why) as caught:
        dsmr.decode(frame)
    assert caught.value.offset == offset


def test_a_capture_with_changed_line_ends_is_refused_and_says_so() -> None:
    with pytest.raises(BadTelegram, match="line ends were changed"):
        dsmr.decode(p1(*energy(1000, 0)).replace(b"\r\n", b"\n"))


def test_a_line_of_the_makers_own_is_a_text_where_the_checksum_was_right() -> None:
    telegram = dsmr.decode(p1(*energy(1000, 5), "Tj\xfa: hello", "1-0:9.9.9(x*kWh)"))
    assert [v.text for v in telegram.values if v.number is None] == [
        "TjÃº: hello",
        "1-0:9.9.9(x*kWh)",
    ]
    assert told(telegram, "1-0:1.8.0")[0].number == Decimal(1)


@pytest.mark.parametrize(
    "line",
    [
        "0-1:24.2.1(632525252525W)(00000.000*m3)",
        "0-1:24.3.0(632525252525)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00000.000)",
        "0-1:24.3.0(161107190000)(04)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)",
    ],
)
def test_a_value_the_meter_marks_as_none_is_no_number(line: str) -> None:
    (value,) = told(dsmr.decode(p1(line)), "0-1:24.2.1")
    assert value.number is None
    assert value.text


def test_the_registers_of_energy_are_those_of_the_house() -> None:
    telegram = dsmr.decode(p1(*energy(12_345, 678)))
    numbers = {v.register: v.number for v in telegram.values}
    assert (numbers[IMPORT], numbers[EXPORT]) == (Decimal("12.345"), Decimal("0.678"))
