"""`meterseal-agent decode`: every capture there is, and every way bytes can be bad."""

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from meterseal_agent.technician import decode as command
from meterseal_agent.technician.complaint import Complaint
from tests.support.data import shared_data

NO_TELEGRAM = "this begins like none of DSMR P1, SML, M-Bus"
REFUSED = {
    "dzg_dwsb20_2th_3byte.bin": "the frame's CRC is wrong",
    "invalid_length.hex": "length 0",
    "manual_frame4.hex": "a master's question",
    "manual_frame6.hex": "a master's question",
    "application_busy.hex": "application too busy",
    "error.hex": "unspecified error",
    "premature_end_of_data2.hex": "ends within a BCD number",
    "premature_end_of_dif2.hex": "ends within a DIFE",
    "premature_end_of_var_vif1.hex": "ends within a unit",
    "too_long_var_vif.hex": "ends within a unit",
    "too_many_difes.hex": "more than 10 DIFEs",
    "too_many_records.hex": "too many records",
    "too_many_vifes.hex": "more than 10 VIFEs",
    "unimplemented_ci.hex": "unimplemented CI field",
    "frames.json": NO_TELEGRAM,
    "modbus_register_maps.json": NO_TELEGRAM,
    "readouts.json": "a read-out begins with /",
    "ACE3000_basic": "the block check is 4D and the read-out says 46",
}
"""What is no telegram, or a damaged one, and the reason that is given for it."""
PROTOCOL_OF = {
    "dsmr": "dsmr",
    "sml": "sml",
    "mbus": "mbus",
    "mbus_errors": "mbus",
    "iec62056_21": "d0",
    "dlms_han": "han",
}


def decoded(raw: bytes, protocol: str = "auto") -> tuple[list[dict[str, object]], str]:
    """Return the lines of a capture on stdin, and the complaint about it."""
    said: list[str] = []
    why = ""
    try:
        command.decode("-", protocol, io.BytesIO(raw), write=said.append)
    except Complaint as complaint:
        why = str(complaint)
    return [json.loads(line) for line in "".join(said).splitlines()], why


def captures() -> Iterator[tuple[str, str, bytes]]:
    """Yield folder, name and bytes of every capture, those inside JSON files too."""
    for folder in PROTOCOL_OF:
        for file in sorted(shared_data("meters", folder).iterdir()):
            yield folder, file.name, file.read_bytes()
            if file.suffix == ".json":
                for name, text in json.loads(file.read_text("utf-8")).items():
                    raw = text.encode("latin-1")
                    yield folder, name, raw
    file = shared_data("meters", "modbus_register_maps.json")
    yield "dsmr", file.name, file.read_bytes()


def test_every_file_decodes_or_is_refused_with_its_reason() -> None:
    seen = 0
    for folder, name, raw in captures():
        lines, why = decoded(raw)
        reason = NO_TELEGRAM if name.endswith(".xml") else REFUSED.get(name, "")
        assert reason in why, (name, why)
        assert bool(reason) == bool(why), (name, why)
        assert "at byte " in why or not why, name
        assert lines or reason, name
        own = "d0" if name.startswith("esy5q3db1024") else PROTOCOL_OF[folder]
        assert {line["protocol"] for line in lines} <= {own}, name
        for line in lines:
            assert {"obis", "value", "unit", "meter"} <= set(line), name
            assert isinstance(line["value"], int | float | str), name
        seen += 1
    assert seen > 150


def test_the_protocol_that_is_found_is_the_one_that_can_be_named() -> None:
    for folder, name, raw in captures():
        if name.endswith((".xml", ".json")):
            continue
        protocol = "d0" if name.startswith("esy5q3db1024") else PROTOCOL_OF[folder]
        assert decoded(raw, protocol) == decoded(raw), name


def test_numbers_keep_every_digit_of_the_telegram() -> None:
    said: list[str] = []
    raw = b"/HAG5eHZ010C\r\n1-0:1.8.0*255(000001.29630*kWh)\r\n!\r\n"
    command.decode("-", "auto", io.BytesIO(raw), write=said.append)
    (line,) = "".join(said).splitlines()
    assert '"obis": "1-0:1.8.0", "value": 1.29630, "unit": "kWh"' in line


def test_a_stream_may_begin_and_end_amid_a_telegram() -> None:
    whole = shared_data("meters", "dsmr", "nl_v5_stream_first_100.txt").read_bytes()
    lines, why = decoded(whole)
    begun, why_begun = decoded(whole[300:-300])
    assert (why, why_begun) == ("", "")
    assert len(lines) == 100 * len(begun) / 98
    assert len(lines) > 1000


def test_damage_amid_a_stream_is_said_with_its_place_and_the_rest_is_given() -> None:
    whole = shared_data("meters", "dsmr", "v5.txt").read_bytes()
    bad = bytearray(whole * 3)
    digit = whole.index(b"1-0:1.8.1(") + 12
    bad[len(whole) + digit] ^= 1
    lines, why = decoded(bytes(bad))
    one, _ = decoded(whole)
    assert len(lines) == 2 * len(one)
    offset = int(why.partition("at byte ")[2].partition(")")[0])
    assert len(whole) <= offset < 2 * len(whole)


def test_a_telegram_whose_begin_was_lost_between_others_is_no_silence() -> None:
    whole = shared_data("meters", "dsmr", "v5.txt").read_bytes()
    bad = whole + whole.replace(b"/", b"?", 1) + whole
    _, why = decoded(bad)
    assert f"belong to no telegram (at byte {len(whole)})" in why


def test_a_capture_of_half_a_telegram_is_refused() -> None:
    for parts in (("dsmr", "v5.txt"), ("sml", "ITRON_OpenWay-3.HZ.bin")):
        whole = shared_data("meters", *parts).read_bytes()
        lines, why = decoded(whole[: len(whole) // 2])
        assert lines == []
        assert "at byte " in why


@pytest.mark.parametrize(
    "parts",
    [
        ("dsmr", "v4_2.txt"),
        ("dsmr", "se_example_data_c.txt"),
        ("sml", "ITRON_OpenWay-3.HZ.bin"),
        ("mbus", "frame2.hex"),
    ],
    ids=lambda parts: parts[1],
)
def test_a_flipped_byte_never_becomes_a_value(parts: tuple[str, str]) -> None:
    raw = shared_data("meters", *parts).read_bytes()
    if parts[0] == "mbus":
        raw = bytes.fromhex(raw.decode())
    right, _ = decoded(raw)
    shown = {json.dumps(line) for line in right}
    chance = random.Random(7)
    for place in range(len(raw)):
        bad = bytearray(raw)
        bad[place] ^= chance.randrange(1, 256)
        lines, why = decoded(bytes(bad))
        assert {json.dumps(line) for line in lines} <= shown, place
        assert lines or "at byte " in why


def test_hexadecimal_text_is_read_as_the_bytes_it_stands_for() -> None:
    text = shared_data("meters", "mbus", "EDC.hex").read_bytes()
    raw = bytes.fromhex(text.decode())
    assert decoded(text) == decoded(raw)
    assert decoded(text.lower().replace(b" ", b"\n")) == decoded(raw)
    _, why = decoded(text.rstrip() + b" 5")
    assert "ends amid a byte" in why


@pytest.mark.parametrize("protocol", ["auto", "dsmr", "sml", "mbus", "d0", "han"])
@pytest.mark.parametrize("seed", range(8))
def test_no_bytes_end_in_anything_but_one_sentence(protocol: str, seed: int) -> None:
    chance = random.Random(seed)
    samples = [
        b"",
        b"\n",
        b"0",
        b"zz",
        b"/\r\n!\r\n",
        b"\x68\xff\xff\x68" + bytes(300),
        bytes.fromhex("1b1b1b1b01010101") * 50,
        b"\x7e\xa0" * 500,
        chance.randbytes(5_000),
        bytes(chance.choice(b"/!()*.:0123456789\r\n") for _ in range(5_000)),
    ]
    for raw in samples:
        lines, why = decoded(raw, protocol)
        assert bool(why) != bool(lines), raw[:20]
        assert "\n" not in why


def test_an_endless_file_comes_to_an_end() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return (b"/ISK5\r\n1-0:1.8.0(1*kWh)\r\n" * 4000)[:size]

    with pytest.raises(Complaint, match="longer than 64 MiB"):
        command.decode("-", "dsmr", Endless(), write=len)


def test_the_command_line_says_one_sentence_on_stderr_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for file, says in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (empty, "nothing is there to decode (at byte 0)"),
    ):
        assert main(["decode", str(file)]) == 1
        out, err = capsys.readouterr()
        assert (out, says in err, err.count("\n")) == ("", True, 1)
    telegram = tmp_path / "telegram"
    telegram.write_bytes(b"/HAG5eHZ010C\r\n1-0:1.8.0*255(1.5*kWh)\r\n!\r\n")
    assert main(["decode", "--protocol", "d0", str(telegram)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["value"] == 1.5
    assert err == ""


def test_a_reader_that_has_seen_enough_ends_the_command_quietly() -> None:
    file = shared_data("meters", "dsmr", "nl_v5_stream_first_100.txt")
    decoding = [sys.executable, "-m", "meterseal_agent.cli", "decode", str(file)]
    reading, writing = os.pipe()
    process = subprocess.Popen(decoding, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.read(reading, 100)
    os.close(reading)
    _, said = process.communicate(timeout=90)
    assert said == b""
