"""What is told beside the books: bytes agree with the script's, strangers are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.backfill import (
    Backfill,
    Wanted,
    is_backfill,
    open_backfill,
    sign_backfill,
)
from meterseal_proto.encoding import decode, encode
from meterseal_proto.errors import Rejected
from meterseal_proto.health import open_health, sign_health
from meterseal_proto.keys import Algorithm, SealKey
from meterseal_proto.receipt import Receipt, open_receipt, sign_receipt
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import (
    MAX_COLUMNS,
    MAX_ROWS,
    Batch,
    Row,
    decode_batch,
    encode_batch,
)
from meterseal_proto.topics import (
    MAX_MESSAGE_BYTES,
    aside_filter,
    aside_topic,
    parse_topic,
)
from meterseal_proto.units import MeterId, RegisterId

VECTORS = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/telemetry.json").read_text()
)


def batch_of(case: dict[str, object]) -> Batch:
    begin, end = int(str(case["begin"])), int(str(case["end"]))
    rows, at = [], begin
    assert isinstance(case["rows"], list)
    assert isinstance(case["registers"], list)
    for dt, *values in case["rows"]:
        at += dt
        rows.append(Row(at, tuple(values)))
    return Batch(
        MeterId(bytes.fromhex(str(case["meter"]))),
        int(str(case["clock"])),
        Span(begin, end),
        tuple(RegisterId(r) for r in case["registers"]),
        tuple(rows),
    )


@pytest.mark.parametrize("case", [*VECTORS["batches"], VECTORS["nothing"]])
def test_a_batch_has_the_scripts_bytes(case: dict[str, object]) -> None:
    batch = batch_of(case)
    payload = bytes.fromhex(str(case["payload"]))
    assert encode_batch(batch) == payload
    assert decode_batch(payload) == batch


def test_a_sample_of_three_registers_takes_ten_bytes() -> None:
    rows = tuple(Row(10 * i, (230_000 + i, 400 - i, 10**7 + i)) for i in range(100))
    registers = tuple(RegisterId(0x0100_0008_00FF + i) for i in range(3))
    batch = Batch(MeterId(bytes(16)), 2, Span(0, 1000), registers, rows)
    assert len(encode_batch(batch)) < 10 * 100


def test_the_largest_batch_fits_a_message() -> None:
    far = (1 << 63) - 1
    registers = tuple(RegisterId((1 << 48) - 1 - i) for i in range(MAX_COLUMNS))
    rows = tuple(
        Row((1 << 61) * (i > 0) + i, (far * (i % 2),) * MAX_COLUMNS)
        for i in range(MAX_ROWS)
    )
    batch = Batch(MeterId(bytes(16)), 2, Span(0, far), registers, rows)
    payload = encode_batch(batch)
    assert len(payload) <= MAX_MESSAGE_BYTES
    assert decode_batch(payload) == batch


ONE = [1, bytes(16), 2, 100, 200, bytes([1, 0, 1, 8, 0, 255]), [[0, 5], [10, 1]]]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2),
        (0, True),
        (1, bytes(15)),
        (2, 3),
        (3, 200),
        (4, 100),
        (4, 111 - 1),
        (5, bytes(5)),
        (5, bytes([1, 0, 1, 8, 0, 255]) * 2),
        (6, [[0]]),
        (6, [[0, 5], [0, 1]]),
        (6, [[0, True]]),
        (6, [[0, "5"]]),
        (6, [[0, (1 << 63)]]),
        (6, [[-1, 5]]),
        (6, [[0, 0]] + [[1, 0]] * 100),
        (6, 7),
    ],
)
def test_a_batch_of_another_shape_is_refused(place: int, value: object) -> None:
    decode_batch(encode(ONE))  # type: ignore[arg-type]
    wrong = list(ONE)
    wrong[place] = value
    with pytest.raises(Rejected):
        decode_batch(encode(wrong))  # type: ignore[arg-type]


def request_of(case: dict[str, object]) -> Backfill:
    assert isinstance(case["wanted"], list)
    return Backfill(
        bytes.fromhex(str(case["network"])),
        str(case["agent"]),
        int(str(case["until"])),
        tuple(
            Wanted(MeterId(bytes.fromhex(meter)), Span(begin, end))
            for meter, begin, end in case["wanted"]
        ),
    )


def test_a_backfill_request_has_the_scripts_bytes_and_signature() -> None:
    case = VECTORS["backfill"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["private_key"]))
    payload = bytes.fromhex(case["payload"])
    request = request_of(case)
    assert sign_backfill(request, key) == payload
    assert open_backfill(payload, key.public_key()) == request
    assert is_backfill(payload)
    receipt = sign_receipt(Receipt(bytes(32), "home-7", 1, ()), key)
    assert not is_backfill(receipt)


def test_a_receipt_is_no_request_and_a_request_is_no_receipt() -> None:
    key = Ed25519PrivateKey.generate()
    receipt = sign_receipt(Receipt(bytes(32), "home-7", 1, ()), key)
    asked = bytes.fromhex(VECTORS["backfill"]["payload"])
    with pytest.raises(Rejected):
        open_backfill(receipt, key.public_key())
    with pytest.raises(Rejected):
        open_receipt(asked, key.public_key())


def test_every_changed_byte_of_a_request_is_refused() -> None:
    case = VECTORS["backfill"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["private_key"]))
    payload = bytes.fromhex(case["payload"])
    for at in range(len(payload)):
        wrong = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        with pytest.raises(Rejected):
            open_backfill(wrong, key.public_key())


def test_a_health_record_has_the_scripts_bytes_and_signature() -> None:
    case = VECTORS["health"]
    key = SealKey(Algorithm.SECP256K1, bytes.fromhex(case["secret"]))
    payload = bytes.fromhex(case["payload"])
    signed = open_health(payload)
    assert sign_health(signed.record, key) == payload
    assert signed.is_signed_by(key.public)
    other = replace(signed, record=replace(signed.record, agent="home-8"))
    assert not other.is_signed_by(key.public)


def test_a_health_record_with_anything_more_is_refused() -> None:
    fields = decode(bytes.fromhex(VECTORS["health"]["payload"]))
    assert isinstance(fields, tuple)
    for place, value in (
        (1, 2),
        (3, "a.b"),
        (6, "0.1 beta"),
        (7, (3, None, None)),
        (8, ((bytes(16), 1, 2, 3, 4),)),
        (8, ((bytes(16), 1, -2, 3),)),
        (10, {"power_w": -4}),
        (10, {"Power W": 4}),
        (11, ("import is 5 Wh",)),
        (12, bytes(63)),
    ):
        wrong = [*fields[:place], value, *fields[place + 1 :]]
        with pytest.raises(Rejected):
            open_health(encode(wrong))


def test_telemetry_and_health_have_topics_of_their_own() -> None:
    assert aside_topic("street", "pi-1", "tel") == "meterseal/1/street/pi-1/tel"
    assert aside_topic("street", "pi-1", "health") == "meterseal/1/street/pi-1/health"
    assert aside_filter("street", "tel") == "meterseal/1/street/+/tel"
    parsed = parse_topic("meterseal/1/street/pi-1/health")
    assert parsed is not None
    assert (parsed.agent, parsed.direction) == ("pi-1", "health")
    assert parse_topic("meterseal/1/street/pi-1/other") is None
