"""A committed day keeps its bytes to an independent script, and refuses all else by name."""

import json
from pathlib import Path

import pytest

from meterseal_proto import backup
from meterseal_proto.commitment import Slot, total
from meterseal_proto.committed import (
    CommittedSeal,
    Envelope,
    Parcel,
    committed_root,
    header_over,
    openings_of,
    records_of,
    statement_of,
    summed_opening,
)
from meterseal_proto.committed_message import (
    decode_any,
    decode_committed,
    encode_committed,
)
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.entry import (
    KeyEvent,
    key_event_entry,
    open_key_event_entry,
    seal_entry,
)
from meterseal_proto.errors import Malformed, Reason
from meterseal_proto.keys import PublicKey, RootSecret
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.seal import MODE_COMMITTED, Header, Seal
from meterseal_proto.totals import day_place, masked
from meterseal_proto.units import MeterId, RegisterId
from tests.support.committed import committed_device
from tests.support.devices import GENESIS, device

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/committed.json").read_text()
)
NETWORK = bytes.fromhex(MADE["network"])
METER = MeterId(bytes.fromhex(MADE["meter"]))
REGISTER = RegisterId(MADE["register"])
PUBLIC = PublicKey.parse("secp256k1", bytes.fromhex(MADE["public"]))
START = RegisterStart(
    REGISTER, MADE["step"], 0, MADE["first"], MODE_COMMITTED, MADE["bits"]
)


def the_day() -> CommittedSeal:
    """Make the script's day step by step, as a device does."""
    key = RootSecret(bytes.fromhex(MADE["root_secret"])).seal_key()
    place = Slot(
        NETWORK, METER, REGISTER, MADE["first"], MADE["step"], MADE["revision"]
    )
    openings = openings_of(place, MADE["values"], bytes.fromhex(MADE["blind_key"]))
    records = records_of(place, openings, MADE["qualities"])
    link = bytes.fromhex(MADE["enrolment_hash"])
    bare = Header(
        NETWORK, METER, REGISTER, place.start, place.length, 0, 1, link, bytes(32)
    )
    header = header_over(bare, records, MADE["bits"])
    digest = header.digest(MADE["chain_id"])
    kept = backup.keep(
        bytes.fromhex(MADE["store_key"]),
        backup.Day(NETWORK, METER, REGISTER, place.start, place.length, 1),
        MADE["values"],
    )
    whole = summed_opening(openings)
    seeds = [bytes.fromhex(seed) for seed in MADE["seeds"]]
    over = day_place(header, place.revision)
    assert over.hex() == MADE["place"]
    parcel = Parcel(
        bytes.fromhex(MADE["proof"]),
        kept,
        masked(whole.value, whole.blinding, seeds, over),
    )
    envelope = Envelope.sign(key, digest, parcel)
    return CommittedSeal(header, key.sign(digest), records, envelope)


def test_a_day_is_the_scripts_byte_for_byte() -> None:
    seal = the_day()
    assert [record.leaf().hex() for record in seal.records] == MADE["leaves"]
    assert seal.header.consensus().hex() == MADE["consensus"]
    assert seal.header.digest(MADE["chain_id"]).hex() == MADE["digest"]
    assert seal_entry(seal.header, seal.signature).hex() == MADE["entry"]
    assert encode_committed(seal).hex() == MADE["payload"]


def test_the_scripts_day_is_read_as_it_was_made() -> None:
    assert decode_any(bytes.fromhex(MADE["payload"]), NETWORK) == the_day()


def test_a_committed_register_is_enrolled_as_the_script_enrols_it() -> None:
    link = enrolment_hash(NETWORK, METER, START, PUBLIC)
    assert link.hex() == MADE["enrolment_hash"]
    event = KeyEvent(
        NETWORK, METER, REGISTER, "secp256k1", PUBLIC.raw, 1, MADE["step"], 0,
        MADE["first"], bytes(32), MODE_COMMITTED, MADE["bits"],
    )  # fmt: skip
    entry = key_event_entry(event)
    assert entry.hex() == MADE["key_event_entry"]
    assert open_key_event_entry(entry) == event


def test_a_key_event_of_an_open_register_names_no_mode() -> None:
    event = open_key_event_entry(bytes.fromhex(MADE["key_event_entry"]))
    fields = decode(key_event_entry(event)[2:])
    assert isinstance(fields, tuple)
    with pytest.raises(ValueError, match="not open"):
        open_key_event_entry(b"\x07\x01" + encode([*fields[:-2], 0, 0]))


def test_a_day_survives_the_wire_and_its_proof_holds() -> None:
    day = committed_device().day([5, None, 0, 65_535])
    back = decode_committed(day.payload, GENESIS.network)
    assert back == day.seal
    digest = back.header.digest(GENESIS.chain_id)
    statement = statement_of(digest, back.header.bits, back.records)
    assert holds([Claim(statement, back.envelope.parcel.proof)])
    assert back.header.sum == total([r.commitment for r in back.records])
    assert back.header.root == committed_root(back.records)


def test_an_open_seal_is_read_as_before() -> None:
    assert isinstance(decode_any(device().tell(5).payload, GENESIS.network), Seal)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_days_size_follows_from_its_count_alone(count: int) -> None:
    one = committed_device()
    days: list[list[int | None]] = [[0] * count, [65_535] * count, [None] * count]
    sizes = {len(one.day(values).payload) for values in days}
    assert len(sizes) == 1


def fields_of(payload: bytes) -> list[Value]:
    decoded = decode(payload)
    assert isinstance(decoded, tuple)
    return list(decoded)


def rows_of(*change: Value) -> list[Value]:
    rows = fields_of(bytes.fromhex(MADE["payload"]))[9]
    assert isinstance(rows, tuple)
    return [list(change), *rows[1:]]


OFF_CURVE = b"\x02" + bytes(31) + b"\x05"
"""x = 5 is on no point of secp256k1."""
POINT = PUBLIC.raw


@pytest.mark.parametrize(
    ("index", "value", "says"),
    [
        (0, 3, "version"),
        (1, bytes(15), "meter"),
        (3, -1, "first"),
        (4, 901, "step"),
        (5, 1 << 62, "seq"),
        (7, bytes(63), "signature"),
        (8, 8, "bits"),
        (8, 32, "proof"),
        (9, [], "1 to 100"),
        (9, rows_of(POINT, 14), "array of 3"),
        (9, rows_of(POINT, 14, 0), "one revision"),
        (9, rows_of(OFF_CURVE, 14, 1), "commitments"),
        (9, rows_of(bytes(33), 14, 1), "commitments"),
        (9, rows_of(b"\x04" + bytes(64), 14, 1), "commitment"),
        (9, rows_of(b"\x06" + bytes(32), 14, 1), "commitments"),
        (9, rows_of(b"\x02" + b"\xff" * 32, 14, 1), "commitments"),
        (10, bytes(10), "proof"),
        (11, bytes(10), "backup"),
        (12, b"", "masked value"),
        (13, b"\xff" * 32, "group's order"),
        (14, bytes(65), "envelope"),
    ],
)
def test_a_day_with_a_wrong_field_is_malformed_by_name(
    index: int, value: Value, says: str
) -> None:
    fields = fields_of(bytes.fromhex(MADE["payload"]))
    fields[index] = value
    with pytest.raises(Malformed, match=says) as caught:
        decode_committed(encode(fields), NETWORK)
    assert caught.value.reason is Reason.MALFORMED


def test_a_commitment_told_twice_is_malformed() -> None:
    fields = fields_of(bytes.fromhex(MADE["payload"]))
    rows = list(fields[9])  # type: ignore[arg-type] # an array
    fields[9] = [rows[1], *rows[1:]]
    with pytest.raises(Malformed, match="twice"):
        decode_committed(encode(fields), NETWORK)


def test_commitments_that_cancel_are_malformed() -> None:
    """Sum = infinity: the sum of a day must be a point."""
    fields = fields_of(bytes.fromhex(MADE["payload"]))
    negated = bytes([POINT[0] ^ 1]) + POINT[1:]
    fields[9] = [[POINT, 14, 0], [negated, 14, 0]]
    fields[10] = bytes(33 * (3 + 2 * 5) + 96)
    with pytest.raises(Malformed, match="infinity"):
        decode_committed(encode(fields), NETWORK)


def test_an_envelope_is_bound_to_its_day_and_to_every_part() -> None:
    one = committed_device()
    day, other = one.day([5]), one.day([6])
    parcel = day.seal.envelope.parcel
    digests = {
        parcel.digest(day.digest),
        parcel.digest(other.digest),
        Parcel(other.seal.envelope.parcel.proof, parcel.backup, parcel.masked).digest(
            day.digest
        ),
        Parcel(parcel.proof, bytes(818), parcel.masked).digest(day.digest),
        Parcel(parcel.proof, parcel.backup, None).digest(day.digest),
    }
    assert len(digests) == 5


def test_an_open_registers_enrolment_says_nothing_of_modes() -> None:
    start = RegisterStart(REGISTER, 900, 7, 900)
    assert start.terms == ()
    assert enrolment_hash(NETWORK, METER, start, PUBLIC) != enrolment_hash(
        NETWORK, METER, RegisterStart(REGISTER, 900, 7, 900, 1, 16), PUBLIC
    )
