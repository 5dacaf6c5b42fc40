"""Read-outs of IEC 62056-21: pushed ones, framed ones, and those that are refused."""

import json
from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams import d0
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_proto.units import IMPORT, obis_text, parse_obis
from tests.support.data import shared_data
from tests.support.text_telegrams import energy, framed, p1, pushed

WHOLE = {
    # How many read-outs there are, what the first tells of which register.
    "basic_dump_fd": (1, "1-0:1.8.0", "1.2963", ""),
    "basic_dump_fd_autoack": (1, "1-0:1.8.0", "1.2963", ""),
    "HagerEHZ_basic": (2, "1-0:1.8.0", "1.2963", ""),
    "HagerEHZ_waitsync": (1, "2-1:2.3.4", "999999.9999", ""),
    "LandisGyr_basic": (1, "1-0:2.8.0", "4329.6", "kWh"),
}
"""`waitsync` begins amid its first read-out, which is not given."""


def readouts() -> dict[str, bytes]:
    path = shared_data("meters", "iec62056_21", "readouts.json")
    return {name: text.encode() for name, text in json.loads(path.read_text()).items()}


def split(raw: bytes) -> list[bytes]:
    return [frame.raw for frame in d0.Splitter().feed(raw + b"\r\n")]


def told(telegram: Telegram, code: str) -> Value:
    (value,) = [v for v in telegram.values if v.register == parse_obis(code)]
    return value


def test_no_read_out_of_the_test_data_is_left_out() -> None:
    assert readouts().keys() == {*WHOLE, "ACE3000_basic", "LuG_E350"}


@pytest.mark.parametrize("name", WHOLE)
def test_a_read_out_is_told_exactly_and_unchecked_without_a_bcc(name: str) -> None:
    count, code, number, unit = WHOLE[name]
    frames = split(readouts()[name])
    assert len(frames) == count
    telegram = d0.decode(frames[0])
    value = told(telegram, code)
    assert (str(value.number), value.unit) == (number, unit)
    assert not telegram.checked


def test_ace3000_is_refused_because_its_block_check_is_wrong() -> None:
    (frame,) = split(readouts()["ACE3000_basic"])
    with pytest.raises(BadTelegram, match="block check is 4D and the read-out says 46"):
        d0.decode(frame)


def test_lug_e350_begins_with_stx_lacks_its_bcc_and_is_unchecked() -> None:
    telegram = d0.decode(readouts()["LuG_E350"])
    assert (telegram.meter, telegram.checked) == ("18438636", False)
    assert len(telegram.values) == 23
    assert told(telegram, "1-0:1.8.0").number == Decimal("219.252")
    assert told(telegram, "1-0:16.7.0").number == Decimal("1.66")
    assert told(telegram, "1-0:32.7.0").unit == "V"
    assert told(telegram, "0-0:96.7.0").number == Decimal(4)
    assert told(telegram, "0-0:96.5.0").text == "1420"


def test_it_waits_for_the_bcc_after_stx_and_for_nothing_without() -> None:
    whole = framed("1.8.0(000001.000*kWh)")
    splitter = d0.Splitter()
    assert splitter.feed(whole[:-1]) == []
    (frame,) = splitter.feed(whole[-1:])
    assert frame.raw == whole
    assert d0.decode(frame.raw).checked
    (frame,) = splitter.feed(pushed("1.8.0(000001.000*kWh)"))
    assert (frame.offset, d0.decode(frame.raw).checked) == (len(whole), False)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_stream_is_cut_alike_in_chunks_of_any_size(size: int) -> None:
    parts = [framed(*energy(n, n)) for n in range(5)]
    stream = b"(1*kWh)\r\n!\r\n\x03\x00" + b"\r\n".join(parts) + parts[0][:40]
    splitter = d0.Splitter()
    frames = [
        frame.raw
        for at in range(0, len(stream), size)
        for frame in splitter.feed(stream[at : at + size])
    ]
    assert frames == parts


def test_the_echo_of_the_question_is_no_read_out() -> None:
    assert split(b"/?!\r\n" + pushed("1.8.0(1*kWh)")) == [pushed("1.8.0(1*kWh)")]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("1.8.0", "1-0:1.8.0"),
        ("1-0:1.8.0*255", "1-0:1.8.0"),
        ("1.8.0*01", "1-0:1.8.0*1"),
        ("1.8.0&12", "1-0:1.8.0*12"),
        ("1-1:1.8.1", "1-1:1.8.1"),
        ("16.7", "1-0:16.7.0"),
        ("C.1.0", "0-0:96.1.0"),
        ("C.1", "0-0:96.1.0"),
        ("F.F", "0-0:97.97.0"),
        ("1-1:F.F", "1-1:97.97.0"),
        ("P.01", "0-0:99.1.0"),
        ("0.0", "1-0:0.0.0"),
    ],
)
def test_a_reduced_code_is_filled_up(name: str, code: str) -> None:
    register = d0.register_of(name)
    assert register is not None
    assert obis_text(register) == code


def test_historic_values_and_dated_peaks_are_told_apart() -> None:
    telegram = d0.decode(
        framed(
            "1.8.0(000009.000*kWh)",
            "1.8.0*01(000005.000*kWh)",
            "1.6.0(02.35*kW)(2205041200)",
            "P.01(1805150000)(00)(15)(1)(1.5)(kW)",
            "(0.25)(0.50)",
            "FF(00000000)",
        )
    )
    assert told(telegram, "1-0:1.8.0").number == Decimal(9)
    assert told(telegram, "1-0:1.8.0*1").number == Decimal(5)
    peak = told(telegram, "1-0:1.6.0")
    assert (peak.number, peak.note) == (Decimal("2.35"), "2205041200")
    assert told(telegram, "0-0:99.1.0").number is None
    assert [(v.text, v.note) for v in telegram.values if v.register is None] == [
        ("00000000", "FF")
    ]


HEAD = b"/LGZ4ZMF100AC.M27\r\n"


@pytest.mark.parametrize(
    ("frame", "why", "offset"),
    [
        (b"", "begins with /", 0),
        (b"/?!\r\n", "begins with /", 0),
        (HEAD + b"1.8.0(1*kWh)\r\n", "cut off", 33),
        (HEAD + b"\x021.8.0(1*kWh)\r\n!\r\n\x03A", "block check is 55", 38),
        (HEAD + b"1.8.0(1*kWh)\r\n!\r\n\x03A", "without the STX", 36),
        (HEAD + b"1.8.0(1*kWh)\r\n!12\r\n", "neither the line's end nor ETX", 34),
        (HEAD + b"1.8.0(1*kWh)!\r\n", "its own line", 31),
        (HEAD + b"1.8.0(1*kWh\r\n!\r\n", "no line of the form", 19),
        (HEAD + b"1.8.p(1*kWh)\r\n!\r\n", "no code", 19),
        (HEAD + b"1.8.0(1.*kWh)\r\n!\r\n", "no number", 19),
        (HEAD + b"!\r\n", "no value", 19),
    ],
)
def test_what_is_no_read_out_is_refused_with_its_place(
    frame: bytes, why: str, offset: int
) -> None:
    with pytest.raises(BadTelegram, match=why) as caught:
        d0.decode(frame)
    assert caught.value.offset == offset


def test_a_p1_telegram_with_its_checksum_is_no_read_out() -> None:
    with pytest.raises(BadTelegram, match="after !"):
        d0.decode(p1(*energy(1, 2)))


def test_the_energy_of_a_framed_read_out_is_checked() -> None:
    telegram = d0.decode(framed(*energy(12_345, 678)))
    assert telegram.checked
    assert {v.register: v.number for v in telegram.values}[IMPORT] == Decimal("12.345")
