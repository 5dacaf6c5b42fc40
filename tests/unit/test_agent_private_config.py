"""A committed meter in the configuration, and what enrolment tells and keeps of it."""

import json
from pathlib import Path

import pytest

from meterseal_agent.commissioning.private import keep_private, private_values
from meterseal_agent.config import ConfigError, parse
from meterseal_agent.keystore import KeyEpoch, Keystore, KeystoreError
from meterseal_agent.outbox.model import Start
from meterseal_agent.run import meters
from meterseal_agent.run.enrolment import check_meters
from meterseal_agent.run.times import Times
from meterseal_proto.checkpoint import NoteKey
from meterseal_proto.clock import ClockRate
from meterseal_proto.cosignature import CosignerKey
from meterseal_proto.enrolment import MeterRequest, RegisterStart
from meterseal_proto.seal import MODE_COMMITTED, Head
from meterseal_proto.units import EXPORT, IMPORT, MeterId

TOP = """
data_dir = "/tmp/agent"
aggregator_url = "https://oracle.example.org"
zone = "Europe/Berlin"
"""
METER = """
[[meters]]
serial = "1"
profile = "eastron-sdm120"
host = "127.0.0.1"
capacity_w = 7400
"""
SHOWED = 34_567_891


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, {})
    return str(caught.value)


def test_registers_are_open_unless_asked_for() -> None:
    (meter,) = parse(TOP + METER, {}).meters
    assert (meter.bits_of(IMPORT), meter.bits_of(EXPORT)) == (0, 0)


def test_a_committed_meter_hides_its_import_and_never_its_export() -> None:
    config = parse(TOP + METER + 'mode = "committed"\n', {})
    (meter,) = config.meters
    assert (meter.bits_of(IMPORT), meter.bits_of(EXPORT)) == (16, 0)
    assert config.zone == "Europe/Berlin"
    wide = parse(TOP + METER + 'mode = "committed"\nproof_bits = 32\n', {})
    assert wide.meters[0].bits_of(IMPORT) == 32


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('mode = "secret"', "mode must be open or committed"),
        ("proof_bits = 16", "proof_bits goes with mode"),
        ('mode = "committed"\nproof_bits = 24', "proof_bits must be 16 or 32"),
        ('mode = "committed"\nstep = 300', "step is 900 seconds or more"),
        ('mode = "committed"\ntelemetry_s = 10', "tells no telemetry"),
        ('mode = "committed"\nregisters = ["1-0:2.8.0"]', "nothing to commit"),
    ],
)
def test_what_cannot_be_committed_is_refused(more: str, says: str) -> None:
    assert says in refusal(TOP + METER + more + "\n")


def test_intervals_at_full_capacity_must_fit() -> None:
    big = METER.replace("7400", "300000") + 'mode = "committed"\n'
    assert "give proof_bits = 32" in refusal(TOP + big)
    assert parse(TOP + big + "proof_bits = 32\n", {}).meters[0].bits == 32


def test_the_bits_of_a_serial_line_are_another_matter() -> None:
    place = METER.replace('host = "127.0.0.1"', 'device = "/dev/ttyUSB0"\nbits = 8')
    assert parse(TOP + place, {}).meters[0].bits == 0
    assert parse(TOP + place + 'mode = "committed"\n', {}).meters[0].bits == 16


def test_a_committed_meter_needs_a_zone_that_is_known() -> None:
    text = METER + 'mode = "committed"\n'
    assert "give zone" in refusal(TOP.replace("zone", "# zone") + text)
    assert "no IANA zone" in refusal(TOP.replace("Berlin", "Atlantis") + text)


def test_a_witness_is_pinned_by_its_cosigning_key_and_nothing_else() -> None:
    assert parse(TOP + METER, {}).witness == ""
    public = bytes(range(32))
    key = CosignerKey("witness.example/w1", public).vkey
    assert parse(TOP + f'witness = "{key}"' + METER, {}).witness == key
    plain = NoteKey("witness.example/w1", public).vkey
    for wrong in (plain, key[:-1], key.replace("w1", "w2")):
        text = TOP + f'witness = "{wrong}"' + METER
        assert "witness must be" in refusal(text)


@pytest.mark.parametrize(("mode", "bits"), [("open", 16), ("committed", 32)])
def test_mode_and_bits_stay_as_they_were_enrolled(mode: str, bits: int) -> None:
    more = "" if mode == "open" else 'mode = "committed"\n'
    config = parse(TOP + METER + more, {})
    head = Head(0, bytes(32), 0, 0)
    chains = tuple(
        Start(MeterId(bytes(16)), register, 900, 7400, head, of)
        for register, of in ((IMPORT, bits), (EXPORT, 0))
    )
    with pytest.raises(ConfigError, match=f"committed with {bits} bits"):
        check_meters(config, {"1": chains})


def requests() -> list[MeterRequest]:
    hidden = RegisterStart(IMPORT, 900, SHOWED, 900_000, MODE_COMMITTED, 16)
    told = RegisterStart(EXPORT, 900, 77, 900_000)
    return [MeterRequest("1", "p", 7400, (hidden, told))]


def test_what_a_committed_register_shows_is_kept_and_not_asked_for(
    tmp_path: Path,
) -> None:
    store = Keystore(tmp_path / "data")
    store.make(KeyEpoch())
    (meter,) = keep_private(store, requests())
    assert [row.value for row in meter.registers] == [0, 77]
    assert [row.mode for row in meter.registers] == [MODE_COMMITTED, 0]
    assert private_values(store) == {("1", IMPORT): (900_000, SHOWED)}
    assert store.paths.private.stat().st_mode & 0o777 == 0o600
    assert str(SHOWED) in store.paths.private.read_text()


def test_an_open_agent_keeps_no_such_file(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "data")
    store.make(KeyEpoch())
    (one,) = requests()
    (meter,) = keep_private(store, [MeterRequest("1", "p", 1, one.registers[1:])])
    assert meter.registers == one.registers[1:]
    assert private_values(store) == {}
    assert not store.paths.private.exists()


@pytest.mark.parametrize("text", ["", "[[1]]", '[["1", "1-0:1.8.0", 0, -1]]', "{"])
def test_a_damaged_file_is_one_sentence_without_a_value(
    tmp_path: Path, text: str
) -> None:
    store = Keystore(tmp_path / "data")
    store.make(KeyEpoch())
    keep_private(store, requests())
    store.paths.private.write_text(text)
    with pytest.raises(KeystoreError, match=r"is damaged$"):
        private_values(store)


def test_the_file_is_json_of_one_row_a_register(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "data")
    store.make(KeyEpoch())
    keep_private(store, requests())
    rows = json.loads(store.paths.private.read_text())
    assert rows == [["1", "1-0:1.8.0", 900_000, SHOWED]]


def test_only_a_committed_registers_qualities_are_kept_free_of_its_usage() -> None:
    times = Times(ClockRate())
    (wired,) = meters.wire(
        parse(TOP + METER + 'mode = "committed"\n', {}).meters, times
    )
    starts = [
        Start(MeterId(bytes(16)), register, 900, 7400, Head(0, bytes(32), 0, 0), bits)
        for register, bits in ((IMPORT, 16), (EXPORT, 0))
    ]
    judged = meters.rules(wired, starts, times)
    assert {name[1]: one.private for name, one in judged.items()} == {
        IMPORT: True,
        EXPORT: False,
    }
