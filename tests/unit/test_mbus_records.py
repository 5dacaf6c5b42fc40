"""M-Bus records one by one: every data type, every extension, what is not a value."""

from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams import mbus, mbus_records
from meterseal_agent.meters.telegrams.mbus_frame import long
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_proto.units import GAS, HEAT, IMPORT, WATER, obis_text

WARM = 0x06
ELECTRICITY = 0x02
HEAT_METER = 0x04
COLD = 0x07


def telegram(
    records: str, medium: int = COLD, *, ci: int = 0x72, status: int = 0
) -> Telegram:
    header = bytes.fromhex("78563412 2D2C 01") + bytes((medium, 9, status, 0, 0))
    data = header if ci == 0x72 else b""
    return mbus.decode(long(0x08, 1, ci, data + bytes.fromhex(records)))


def only(records: str, medium: int = COLD) -> Value:
    (value,) = telegram(records, medium).values
    return value


@pytest.mark.parametrize(
    ("records", "number"),
    [
        ("01 13 FF", "-0.001"),
        ("02 13 39 30", "12.345"),
        ("03 13 FF FF 7F", "8388.607"),
        ("04 13 15 CD 5B 07", "123456.789"),
        ("06 13 00 00 00 00 01 00", "4294967.296"),
        ("07 13 00 00 00 00 00 00 00 01", "72057594037927.936"),
        ("05 16 00 00 C0 3F", "1.5"),
        ("09 16 42", "42"),
        ("0A 16 34 12", "1234"),
        ("0B 16 56 34 12", "123456"),
        ("0C 16 78 56 34 12", "12345678"),
        ("0E 16 12 90 78 56 34 12", "123456789012"),
        ("0A 16 34 F2", "-234"),
        ("0D 16 C3 56 34 12", "123456"),
        ("0D 16 D2 34 12", "-1234"),
        ("0D 16 E2 FE FF", "-2"),
        ("0C 10 01 00 00 00", "0.000001"),
        ("01 17 03", "30"),
        ("01 FB 10 03", "300"),
        ("01 93 75 03", "0.0003"),
        ("01 93 7D 03", "3.000"),
    ],
)
def test_every_number_type_is_exact(records: str, number: str) -> None:
    value = only(records)
    assert value.register == WATER
    assert (value.unit, value.number) == ("m3", Decimal(number))
    assert "E" not in str(value.number)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ("0A 13 34 1A", "not valid: the meter shows 1A34"),
        ("04 13 00 00 00 80", "not valid: the meter sends the lowest integer"),
        ("05 13 00 00 C0 7F", "not valid: the meter sends nan"),
        ("05 13 00 00 80 FF", "not valid: the meter sends -inf"),
        ("00 13", "no data"),
        ("08 13", "no data"),
        ("02 93 15 39 30", "no data available"),
        ("02 93 18 39 30", "data error"),
    ],
)
def test_what_the_meter_marks_as_not_valid_is_no_number(
    records: str, reason: str
) -> None:
    value = only(records)
    assert (value.number, value.text) == (None, reason)


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ("02 6C BF 1C", "2013-12-31"),
        ("02 6C 41 C1", "1998-01-01"),
        ("04 6D 0A 0C CD 13", "2014-03-13T12:10"),
        ("04 6D 0A 2C A1 1C", "2013-12-01T12:10"),
        ("04 6D 8A 0C CD 13", "not valid: the meter sends 8A 0C CD 13"),
        ("06 6D 1E 0A 0C CD 13 00", "2014-03-13T12:10:30"),
        ("06 6D 1E 8A 0C CD 13 00", "not valid: the meter sends 1E 8A 0C CD 13 00"),
        ("03 6D 1E 0A 0C", "12:10:30"),
        ("02 6C FF FF", "not valid: the meter sends FF FF"),
        ("01 6C 01", "not valid: no time is 1 bytes long"),
        ("04 FD 70 0A 0C CD 13", "2014-03-13T12:10"),
        ("02 93 39 BF 1C", "2013-12-31"),
        ("0D FD 0B 05 31 32 48 46 57", "WFH21"),
        ("0D 78 00", ""),
        ("0D 79 E9 01 02 03 04 05 06 07 08 09", "01 02 03 04 05 06 07 08 09"),
    ],
)
def test_times_and_texts_are_texts(records: str, text: str) -> None:
    value = only(records)
    assert (value.register, value.number, value.text) == (None, None, text)


@pytest.mark.parametrize(
    ("records", "medium", "register", "number", "unit"),
    [
        ("04 03 10 27 00 00", ELECTRICITY, IMPORT, 10_000, "Wh"),
        ("04 83 3B 10 27 00 00", ELECTRICITY, IMPORT, 10_000, "Wh"),
        ("04 83 3C 10 27 00 00", ELECTRICITY, "1-0:2.8.0", 10_000, "Wh"),
        ("84 20 03 10 27 00 00", ELECTRICITY, "1-0:1.8.2", 10_000, "Wh"),
        ("02 2B 9C FF", ELECTRICITY, "1-0:16.7.0", -100, "W"),
        ("04 06 01 00 00 00", HEAT_METER, HEAT, 1000, "Wh"),
        ("04 FB 00 01 00 00 00", HEAT_METER, HEAT, 100_000, "Wh"),
        ("04 0E 01 00 00 00", HEAT_METER, HEAT, 1_000_000, "J"),
        ("04 FB 09 01 00 00 00", HEAT_METER, HEAT, 10**9, "J"),
        ("04 14 01 00 00 00", HEAT_METER, "6-0:2.0.0", Decimal("0.01"), "m3"),
        ("04 06 01 00 00 00", 0x0A, "5-0:1.0.0", 1000, "Wh"),
        ("0C 13 01 00 00 00", WARM, "9-0:1.0.0", Decimal("0.001"), "m3"),
        ("0C 13 01 00 00 00", 0x16, WATER, Decimal("0.001"), "m3"),
        ("0C 13 01 00 00 00", 0x03, GAS, Decimal("0.001"), "m3"),
        ("4C 13 01 00 00 00", COLD, "8-0:1.2.0", Decimal("0.001"), "m3"),
        ("02 41 01 00", COLD, "8-0:2.0.0", Decimal("0.00006"), "m3/h"),
        ("02 49 01 00", COLD, "8-0:2.0.0", Decimal("0.0000360"), "m3/h"),
    ],
)
def test_a_quantity_has_the_register_its_standard_assigns(
    records: str, medium: int, register: int | str, number: int | Decimal, unit: str
) -> None:
    value = only(records, medium)
    assert value.register is not None
    if isinstance(register, str):
        assert obis_text(value.register) == register
    else:
        assert value.register == register
    assert (value.number, value.unit) == (number, unit)


@pytest.mark.parametrize(
    ("records", "note"),
    [
        ("1C 13 01 00 00 00", "volume, maximum"),
        ("3C 13 01 00 00 00", "volume, during error state"),
        ("8C 01 13 01 00 00 00", "volume, storage 2"),
        ("8C 40 13 01 00 00 00", "volume, subunit 1"),
        ("8C 80 80 80 10 13 01 00 00 00", "volume, tariff 64"),
        ("0C 93 3C 01 00 00 00", "volume, backward"),
        ("0C 93 28 01 00 00 00", "volume"),
        ("0C 93 3A 01 00 00 00", "uncorrected volume"),
        ("0C 93 3E 01 00 00 00", "at base conditions volume"),
        ("0C 93 48 01 00 00 00", "upper limit volume"),
        ("0C 93 49 01 00 00 00", "times beyond upper limit volume"),
        ("0C 93 51 01 00 00 00", "duration beyond lower limit of volume"),
        ("0C 93 65 01 00 00 00", "duration of volume"),
        ("0C 93 79 01 00 00 00", "to be corrected by 10^-2 volume"),
        ("0C 93 7E 01 00 00 00", "future value volume"),
        ("0C 93 FF 05 01 00 00 00", "manufacturer's extension 05 volume"),
        ("0C 93 36 01 00 00 00", "volume"),
        ("0C 93 10 01 00 00 00", "reserved extension 10 volume"),
        ("0C FF 13 01 00 00 00", "manufacturer specific 13"),
        ("0C 6F 01 00 00 00", "reserved"),
        ("0C FD FD 50 01 00 00 00", "reserved"),
        ("0C 7C 02 33 6D 01 00 00 00", "in m3"),
    ],
)
def test_what_is_not_the_plain_total_has_no_register(records: str, note: str) -> None:
    value = only(records)
    assert (value.register, value.note) == (None, note)
    assert value.number is not None


def test_two_numbers_for_one_register_leave_it_to_neither() -> None:
    one, two = telegram("04 13 01 00 00 00 04 13 02 00 00 00").values
    assert (one.register, two.register) == (None, None)
    assert one.note == "volume, told twice differently"
    same = telegram("04 13 01 00 00 00 04 13 01 00 00 00").values
    assert [value.register for value in same] == [WATER, WATER]


def test_fillers_are_skipped_and_manufacturer_data_end_the_records() -> None:
    values = telegram("2F 2F 01 16 05 2F 1F 13 2F").values
    assert [(v.number, v.text) for v in values] == [(5, ""), (None, "13 2F")]
    assert values[1].note == "manufacturer specific data, more records follow"


def test_only_the_mark_says_that_more_records_follow() -> None:
    empty = bytes(12)
    more = long(0x08, 1, 0x72, empty + b"\x1f")
    assert mbus.answer(more).more_follow
    last = long(0x08, 1, 0x72, empty + b"\x0f")
    assert not mbus.answer(last).more_follow
    assert mbus.decode(more).values[0].note.endswith("more records follow")


def test_the_status_byte_is_said_in_words_when_it_reports_something() -> None:
    *_, said = telegram("01 16 05", status=0b0010_1110).values
    assert said.number == 46
    assert said.text == (
        "application error, power low, permanent error, manufacturer's bits 20"
    )


@pytest.mark.parametrize("ci", [0x78, 0x7A])
def test_without_a_long_header_nobody_is_named_and_no_register_is_guessed(
    ci: int,
) -> None:
    found = telegram("2A000000 01 16 05" if ci == 0x7A else "01 16 05", ci=ci)
    assert found.meter == ""
    (value,) = found.values
    assert value.register is None
    assert value.number == 5


def test_highest_byte_first_is_read_as_such() -> None:
    header = bytes.fromhex("12345678 2C2D 01 07 00 00 00 00")
    records = bytes.fromhex("04 13 07 5B CD 15 0B 16 12 34 56")
    found = mbus.decode(long(0x08, 1, 0x76, header + records))
    assert found.meter == "12345678"
    assert [str(v.number) for v in found.values] == ["123456.789", "123456"]


@pytest.mark.parametrize(
    ("status", "numbers"), [(0x00, [11, 22]), (0x01, [17, 34]), (0x02, [11, 22])]
)
def test_a_fixed_structure_counts_binary_or_bcd(
    status: int, numbers: list[int]
) -> None:
    # Heat: energy in kWh, and the same kept at the set date.
    data = bytes.fromhex("78563412 05") + bytes((status, 0x05, 0x7E))
    data += bytes.fromhex("11000000 22000000")
    found = mbus.decode(long(0x08, 1, 0x73, data))
    assert found.meter == "12345678"
    assert [v.number for v in found.values] == [n * 1000 for n in numbers]
    now = None if status == 0x02 else HEAT
    assert [v.register for v in found.values] == [now, None]
    assert found.values[1].note == "energy, storage 1"


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ("8C" + "80" * 11 + "13 00000000", "more than 10 DIFEs"),
        ("0C 93" + "80" * 11 + "00000000", "more than 10 VIFEs"),
        ("3F", "DIF 3F is reserved"),
        ("7F", "DIF 7F is reserved"),
        ("0D 13 F7", "variable length F7 is reserved"),
        ("0C", "the frame ends within a VIF"),
        ("0C 93", "the frame ends within a VIFE"),
        ("0D 13", "the frame ends within the length of a variable record"),
        ("0D 13 05 41", "the frame ends within a text"),
        ("05 13 00", "the frame ends within a real number"),
    ],
)
def test_a_record_beyond_its_bounds_refuses_the_whole_frame(
    records: str, reason: str
) -> None:
    with pytest.raises(BadTelegram, match=reason):
        telegram("01 13 01" + records)


def test_the_records_of_one_frame_are_counted() -> None:
    # Without a header 126 records of two bytes are the most a frame holds.
    found = telegram("00 13" * 126, ci=0x78)
    assert len(found.values) == 126
    most = mbus_records.MAX_RECORDS
    assert len(mbus_records.parse(b"\x00\x13" * most, 0).items) == most
    with pytest.raises(BadTelegram, match="more than 128 records"):
        mbus_records.parse(b"\x00\x13" * (most + 1), 0)


@pytest.mark.parametrize(
    ("word", "reason"), [("0005", "encrypted (mode 5)"), ("000D", "mode 13")]
)
def test_what_is_encrypted_is_not_read(word: str, reason: str) -> None:
    header = bytes.fromhex("78563412 2D2C 01 07 00 00" + word)
    with pytest.raises(BadTelegram) as caught:
        mbus.decode(long(0x08, 1, 0x72, header + b"\x01\x13\x01"))
    assert reason in caught.value.detail
