from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from meterseal_agent.meters.telegrams.crc16 import kermit, x25
from meterseal_agent.meters.telegrams.model import BadTelegram, Telegram, Value
from meterseal_agent.meters.telegrams.sml import Splitter, decode
from meterseal_agent.meters.telegrams.sml_transport import MAX_FRAME
from meterseal_proto.units import EXPORT, IMPORT, obis_text, parse_obis
from tests.support.binary_frames import (
    ABSENT,
    entry,
    items,
    message,
    number,
    octets,
    sml_frame,
    value_list,
    x25_bytes,
)
from tests.support.data import shared_data

POWER = parse_obis("1-0:16.7.0")
SERVER = bytes.fromhex("0a01544553000000002a")
IMPORT_ENTRY = entry("0100010800ff", number(12345, 4))


def dzg(serial: int) -> bytes:
    return bytes.fromhex("0a01445a4700") + serial.to_bytes(4)


def one(server: bytes, *entries: bytes) -> bytes:
    return sml_frame(message(value_list(server, entries)))


def frames(*parts: str) -> list[bytes]:
    raw = shared_data("meters", "sml", *parts).read_bytes()
    return [frame.raw for frame in Splitter().feed(raw)]


def value(telegram: Telegram, obis: str) -> Value:
    (found,) = (v for v in telegram.values if v.register == parse_obis(obis))
    return found


def telegrams() -> Iterator[tuple[str, list[Telegram], int]]:
    """Per dump: its name, its telegrams, and how many frames were refused."""
    for path in sorted(shared_data("meters", "sml").glob("*.bin")):
        taken: list[Telegram] = []
        refused = 0
        for raw in frames(path.name):
            try:
                taken.append(decode(raw))
            except BadTelegram as error:
                assert error.detail == "the frame's CRC is wrong: damaged on the way"
                refused += 1
        yield path.name, taken, refused


def test_the_sums_are_the_catalogues_own() -> None:
    assert (x25(b"123456789"), kermit(b"123456789")) == (0x906E, 0x2189)


def test_every_whole_frame_of_every_dump_decodes_and_two_with_lost_bytes_do_not() -> (
    None
):
    seen = list(telegrams())
    assert len(seen) >= 19
    assert sum(len(taken) for _, taken, _ in seen) == 104
    assert {name: refused for name, _, refused in seen if refused} == {
        "dzg_dwsb20_2th_3byte.bin": 2
    }


def test_the_refused_frames_lack_bytes() -> None:
    lengths = [len(raw) for raw in frames("dzg_dwsb20_2th_3byte.bin")]
    assert [n for n in lengths if n % 4] == [249, 251]


def test_in_every_dump_tariffs_add_up_and_registers_never_fall() -> None:
    for name, taken, _ in telegrams():
        assert len({telegram.meter for telegram in taken}) == 1, name
        assert all(telegram.checked for telegram in taken)
        for total in (IMPORT, EXPORT):
            tariffs = [
                parse_obis(obis_text(total)[:-1] + str(tariff)) for tariff in (1, 2)
            ]
            shown = [numbers(telegram) for telegram in taken]
            for row in shown:
                if total in row and tariffs[0] in row and tariffs[1] in row:
                    assert row[total] == row[tariffs[0]] + row[tariffs[1]], name
            register = [row[total] for row in shown if total in row]
            assert all(a <= b for a, b in pairwise(register)), name


def numbers(telegram: Telegram) -> dict[int | None, Decimal]:
    found: dict[int | None, Decimal] = {}
    for v in telegram.values:
        if v.number is not None and not v.note:
            assert v.register not in found
            found[v.register] = v.number
    return found


@pytest.mark.parametrize(
    ("dump", "meter", "obis", "shown", "unit"),
    [
        ("DZG_DVS-7420.2V.G2_mtr1", "1DZG0060694613", "1-0:1.8.0", "2353656.9", "Wh"),
        ("EMH-ED300L_delivery", "06-45-4D-48-01-02-71-56-CD-45", "1-0:15.7.0", "126.6", "W"),
        ("EMH_eHZ361L5R", "1001185", "1-0:2.8.1", "110340315.1", "Wh"),
        ("EMH_mME40-AE6AKF0K0", "1EMH0010599732", "1-0:1.8.0", "428896.4", "Wh"),
        ("HOLLEY_DTZ541-ZDBA", "1HLY0200239888", "1-0:2.8.0", "314926.0", "Wh"),
        ("HOLLEY_DTZ541-ZDBA", "1HLY0200239888", "1-0:32.7.0", "232.3", "V"),
        ("HOLLEY_DTZ541-ZDBA", "1HLY0200239888", "1-0:51.7.0", "1.74", "A"),
        ("HOLLEY_DTZ541-ZDBA", "1HLY0200239888", "1-0:14.7.0", "50.0", "Hz"),
        ("ISKRA_MT631-D1A52-K0z-H01_without_PIN", "1ISK0075126084", "1-0:1.8.0", "2043000", "Wh"),
        ("ITRON_OpenWay-3.HZ", "1ITR0055113102", "1-0:16.7.0", "613", "W"),
        ("dzg_dwsb20_2th_3byte", "1DZG0040051478", "1-0:16.7.0", "-788.51", "W"),
        ("eBZ_DD3_DD3BZ06DTA-SMZ1_without_PIN", "09-01-45-42-5A-01-00-10-4C-78", "1-0:1.8.0", "4469000", "Wh"),
    ],
)  # fmt: skip
def test_a_captured_meter_shows_its_register_to_the_last_digit(
    dump: str, meter: str, obis: str, shown: str, unit: str
) -> None:
    telegram = decode(frames(f"{dump}.bin")[0])
    found = value(telegram, obis)
    assert (telegram.protocol, telegram.meter) == ("sml", meter)
    assert (str(found.number), found.unit) == (shown, unit)


def test_the_maker_is_a_text_and_the_status_word_names_its_register() -> None:
    telegram = decode(frames("EMH_mME40-AE6AKF0K0.bin")[0])
    assert value(telegram, "1-0:96.50.1*1").text == "EMH"
    status = value(telegram, "1-0:96.5.0")
    assert (status.number, status.note) == (Decimal(0x1C0104), "1-0:1.8.0")


def test_a_meter_that_leaves_a_value_out_gives_none() -> None:
    telegram = decode(frames("EMH_eHZ-IW8E2A5L0EK2P_with_error.bin")[0])
    names = [obis_text(v.register) for v in telegram.values if v.register is not None]
    assert "1-0:96.50.2*6" not in names
    assert value(telegram, "1-0:96.50.2*4").number == 637


def test_the_old_dzg_whose_power_lost_its_leading_zero_is_positive() -> None:
    telegram = decode(frames("DZG_DVS-7412.2_jmberg.bin")[0])
    assert value(telegram, "1-0:16.7.0").number == Decimal("356.24")


@pytest.mark.parametrize(
    ("server", "obis", "raw", "shown"),
    [
        (dzg(42_000_000), "0100100700ff", "538b28", "356.24"),
        (dzg(48_999_999), "0100100700ff", "52ff", "2.55"),
        (dzg(55_000_000), "0100100700ff", "538b28", "356.24"),
        (dzg(58_999_999), "0100100700ff", "538b28", "356.24"),
        (dzg(41_999_999), "0100100700ff", "538b28", "-299.12"),
        (dzg(49_000_000), "0100100700ff", "538b28", "-299.12"),
        (dzg(60_694_611), "0100100700ff", "53d6ca", "-105.50"),
        (dzg(42_082_910), "0100100700ff", "54ff8b28", "-299.12"),
        (dzg(42_082_910), "0100240700ff", "538b28", "-299.12"),
        (SERVER, "0100100700ff", "538b28", "-299.12"),
    ],
)
def test_only_short_powers_of_the_repaired_serials_are_unsigned(
    server: bytes, obis: str, raw: str, shown: str
) -> None:
    frame = one(server, entry(obis, bytes.fromhex(raw), unit=27, scaler=-2))
    (found,) = decode(frame).values
    assert str(found.number) == shown


@pytest.mark.parametrize(
    ("content", "unit", "scaler", "shown", "text"),
    [
        (number(2**64 - 1, 8), 30, -1, "1844674407370955161.5", "Wh"),
        (number(-(2**63), 8, signed=True), 30, 0, "-9223372036854775808", "Wh"),
        (number(17, 2), 30, 3, "17000", "Wh"),
        (number(0, 1), 30, -3, "0.000", "Wh"),
        (number(5, 1), 200, 0, "5", "unit 200"),
        (number(49_987, 5), 44, -3, "49.987", "Hz"),
    ],
)
def test_numbers_are_exact_and_an_unknown_unit_keeps_its_code(
    content: bytes, unit: int, scaler: int, shown: str, text: str
) -> None:
    (found,) = decode(
        one(SERVER, entry("0100010800ff", content, unit=unit, scaler=scaler))
    ).values
    assert (str(found.number), found.unit) == (shown, text)


def test_a_truth_and_a_text_are_texts_and_a_time_is_passed_over() -> None:
    telegram = decode(
        one(
            SERVER,
            entry("0100600500ff", b"\x42\x01"),
            entry("0100600501ff", octets(b"\x00\xff")),
            entry("0100000900ff", items(number(1, 1), number(5, 4))),
            entry("01000108", number(1, 1)),
        )
    )
    assert [(v.number, v.text, v.note) for v in telegram.values] == [
        (None, "true", ""),
        (None, "00ff", ""),
        (Decimal("0.1"), "", "01000108"),
    ]
    assert telegram.values[2].register is None


def test_doubled_escapes_come_out_single() -> None:
    secret = b"\x1b" * 5 + b"\x1a\x01" + b"\x1b" * 4 + b"x"
    frame = one(SERVER, entry("0100600100fe", octets(secret)), IMPORT_ENTRY)
    telegram = decode(frame)
    assert telegram.values[0].text == secret.hex()
    assert telegram.values[1].number == Decimal("1234.5")
    assert [f.raw for f in Splitter().feed(frame)] == [frame]


def test_holleys_sum_is_taken_from_holley_only() -> None:
    holley = bytes.fromhex("0a01484c59020003a910")
    bodies = [value_list(server, [IMPORT_ENTRY]) for server in (holley, SERVER)]
    decode(sml_frame(message(bodies[0], kermit=True)))
    with pytest.raises(BadTelegram, match="a message's CRC is wrong"):
        decode(sml_frame(message(bodies[1], kermit=True)))


def test_two_meters_in_one_telegram_are_not_told_apart() -> None:
    both = [message(value_list(dzg(n), [IMPORT_ENTRY])) for n in (1, 2)]
    with pytest.raises(BadTelegram, match="two meters in one telegram"):
        decode(sml_frame(*both))


def deep(levels: int) -> bytes:
    return b"\x71" * levels + ABSENT


def end(tail: bytes) -> bytes:
    frame = one(SERVER, IMPORT_ENTRY)[:-8] + tail
    return frame + x25_bytes(frame)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "no SML start sequence"),
        (b"\x1b" * 4 + b"\x01" * 4, "no SML start sequence"),
        (one(SERVER, IMPORT_ENTRY)[:-1], "no SML end sequence"),
        (end(b"\x1b\x1b\x1b\x1b\x1a\x04"), "4 bytes of padding"),
        (one(SERVER, IMPORT_ENTRY)[:-1] + b"\xff", "CRC is wrong"),
        (sml_frame(), "without a list of values"),
        (sml_frame(b"\x00" * 4), "no SML message begins here"),
        (sml_frame(message(deep(20))), "nested deeper"),
        (sml_frame(message(b"\xf0\x90\x00")), "reserved length field"),
        (sml_frame(message(b"\xff\x8f\x8f\x8f\x0f")), "longer than any frame"),
        (sml_frame(message(b"\x7f")), "list of 15 items|does not fit"),
        (sml_frame(message(b"\x0f")), "does not fit"),
        (sml_frame(message(b"\x00")), "does not fit"),
        (sml_frame(message(b"\x12\x00")), "reserved type 1"),
        (sml_frame(message(b"\x6a" + b"\x01" * 9)), "a number of 9 bytes"),
        (sml_frame(message(b"\x61")), "a number of 0 bytes"),
        (sml_frame(message(items(ABSENT))), "no list of 7"),
        (one(SERVER, items(ABSENT)), "no list of 7"),
        (one(SERVER, entry("0100010800ff", number(1, 1), scaler=19)), "power of ten"),
        (b"\x1b" * 4 + b"\x01" * 4 + bytes(MAX_FRAME), "longer than"),
    ],
)
def test_what_is_no_telegram_is_refused_with_its_reason(
    frame: bytes, reason: str
) -> None:
    with pytest.raises(BadTelegram, match=reason) as refused:
        decode(frame)
    assert 0 <= refused.value.offset <= max(len(frame), 1)


def test_an_error_names_the_byte_of_the_frame_escapes_counted() -> None:
    escaped = entry("0100600100fe", octets(b"\x1b" * 4))
    bad = entry("0100010800ff", number(1, 1), scaler=99)
    frame = one(SERVER, escaped, bad)
    with pytest.raises(BadTelegram, match="power of ten of 99") as refused:
        decode(frame)
    assert frame[refused.value.offset : refused.value.offset + 2] == b"\x52\x63"


def test_a_frame_that_lost_its_end_costs_itself_and_no_other() -> None:
    whole = one(SERVER, IMPORT_ENTRY)
    for lost in range(1, len(whole)):
        stream = whole[:-lost] + whole + whole
        good = []
        for frame in Splitter().feed(stream):
            try:
                good.append(decode(frame.raw))
            except BadTelegram:
                continue
        # Between the escape and what it means, nothing tells a start from data.
        assert len(good) == (1 if lost == 4 else 2), lost


def test_a_stream_without_an_end_is_not_kept() -> None:
    splitter = Splitter()
    whole = one(SERVER, IMPORT_ENTRY)
    assert splitter.feed(whole[:20] + b"\x55" * 3 * MAX_FRAME) == []
    (frame,) = splitter.feed(whole)
    assert frame.raw == whole
    assert frame.offset == 20 + 3 * MAX_FRAME
