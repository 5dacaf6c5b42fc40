"""The package agrees byte for byte with what independent scripts and stacks.js made."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto import sip018
from meterseal_proto.curve import backends
from meterseal_proto.enrolment import (
    Genesis,
    RegisterStart,
    Rotation,
    Turn,
    enrolment_hash,
    rotation_digest,
)
from meterseal_proto.entry import (
    KeyEvent,
    key_event_entry,
    open_key_event_entry,
    open_seal_entry,
    seal_entry,
)
from meterseal_proto.errors import Reason
from meterseal_proto.keys import PublicKey, RootSecret
from meterseal_proto.message import decode_seal, encode_seal
from meterseal_proto.receipt import Answer, Receipt, Refusal, open_receipt, sign_receipt
from meterseal_proto.seal import Header, OpenRecord, Seal, parse_header, record_salt
from meterseal_proto.units import MeterId, RegisterId
from tests.support.data import shared_data

VECTORS = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/seal.json").read_text()
)
NETWORK = bytes.fromhex(VECTORS["network"])
METER = MeterId(bytes.fromhex(VECTORS["meter"]))
REGISTER = RegisterId(VECTORS["register"])
PUBLIC = PublicKey.parse("secp256k1", bytes.fromhex(VECTORS["public"]))
START = RegisterStart(REGISTER, 900, 1200, 1790000100)


def test_the_seal_key_is_derived_as_the_independent_script_derives_it() -> None:
    key = RootSecret(bytes.fromhex(VECTORS["root_secret"])).seal_key()
    assert key.secret.hex() == VECTORS["secret"]
    assert key.public == PUBLIC


def test_the_first_link_and_the_network_id_are_those_of_the_script() -> None:
    genesis = VECTORS["genesis"]
    made = Genesis(genesis["chain_id"], genesis["registry"], genesis["log_key"])
    assert made.network.hex() == genesis["network"]
    assert (
        enrolment_hash(NETWORK, METER, START, PUBLIC).hex() == VECTORS["enrolment_hash"]
    )


def test_a_rotation_is_signed_by_both_keys_as_the_script_signs_it() -> None:
    case = VECTORS["rotation"]
    root = RootSecret(bytes.fromhex(VECTORS["root_secret"]))
    old, new = root.seal_key(), root.seal_key(epoch=1)
    turns = [
        Turn(MeterId(bytes.fromhex(meter)), RegisterId(register), seq)
        for meter, register, seq in case["turns"]
    ]
    assert new.public.raw.hex() == case["public"]
    digest = rotation_digest(NETWORK, turns, new.public)
    assert digest.hex() == case["digest"]
    made = Rotation.sign(NETWORK, turns, old, new)
    assert made.old_signature.hex() == case["old_signature"]
    assert made.new_signature.hex() == case["new_signature"]


def test_a_key_event_has_one_entry() -> None:
    event = KeyEvent(
        NETWORK, METER, REGISTER, "secp256k1", PUBLIC.raw, 1, 900, 1200, START.at
    )
    assert key_event_entry(event).hex() == VECTORS["key_event_entry"]
    assert open_key_event_entry(bytes.fromhex(VECTORS["key_event_entry"])) == event


@pytest.mark.parametrize("case", VECTORS["seals"], ids=lambda case: f"seq{case['seq']}")
def test_a_seal_is_built_and_read_as_the_script_built_it(case: dict[str, str]) -> None:
    seal = decode_seal(bytes.fromhex(case["payload"]), NETWORK)
    assert encode_seal(seal).hex() == case["payload"]
    assert seal.header.consensus().hex() == case["consensus"]
    assert parse_header(bytes.fromhex(case["consensus"])) == seal.header
    digest = seal.header.digest(VECTORS["chain_id"])
    assert digest.hex() == case["digest"]
    assert PUBLIC.verify(digest, seal.signature)
    assert seal_entry(seal.header, seal.signature).hex() == case["entry"]
    assert open_seal_entry(bytes.fromhex(case["entry"])) == (
        seal.header,
        seal.signature,
    )


@pytest.mark.parametrize("case", VECTORS["seals"], ids=lambda case: f"seq{case['seq']}")
def test_every_backend_makes_the_same_signature(case: dict[str, str]) -> None:
    secret, digest = bytes.fromhex(VECTORS["secret"]), bytes.fromhex(case["digest"])
    for backend in backends():
        assert backend.sign(secret, digest).hex() == case["signature"]
        assert backend.verify(PUBLIC.raw, digest, bytes.fromhex(case["signature"]))
        assert backend.public_of(secret) == PUBLIC.raw


def test_salts_and_records_are_those_of_the_script() -> None:
    salt_key = RootSecret(bytes.fromhex(VECTORS["root_secret"])).salt_key(METER)
    for case in VECTORS["seals"]:
        seal: Seal = decode_seal(bytes.fromhex(case["payload"]), NETWORK)
        rows = [
            OpenRecord(case["first"] + i * case["step"], *row)
            for i, row in enumerate(case["rows"])
        ]
        assert list(seal.records) == rows
        for record, salt in zip(seal.records, seal.salts, strict=True):
            made = record_salt(
                salt_key, REGISTER, record.start, case["step"], record.revision
            )
            assert made == salt


@pytest.mark.parametrize("case", VECTORS["receipts"])
def test_a_receipt_is_signed_and_opened_as_the_script_did(
    case: dict[str, list[list[str]]],
) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(str(case["private_key"])))
    receipt = Receipt(
        NETWORK,
        str(case["agent"]),
        int(str(case["log_by"])),
        tuple(_answer(row) for row in case["durable"]),
        tuple(
            Refusal(a.meter, a.register, a.seq, a.hash, Reason(int(row[4])))
            for row in case["refused"]
            for a in (_answer(row),)
        ),
    )
    payload = bytes.fromhex(str(case["payload"]))
    assert sign_receipt(receipt, key) == payload
    assert open_receipt(payload, key.public_key()) == receipt


def _answer(row: list[str]) -> Answer:
    meter, register, seq, digest = row[:4]
    return Answer(
        MeterId(bytes.fromhex(meter)),
        RegisterId(int(register)),
        int(seq),
        bytes.fromhex(digest),
    )


def test_headers_equal_those_that_stacks_js_and_a_contract_made() -> None:
    golden = json.loads(
        (shared_data().parent / "reference/vectors/headers.json").read_text()
    )
    public = PublicKey.parse("secp256k1", bytes.fromhex(golden["public_key"]))
    assert golden["headers"]
    for case in golden["headers"]:
        header = header_of(case["fields"])
        assert header.consensus().hex() == case["consensus"]
        assert header.digest(0x80000000).hex() == case["digest"]
        signature = bytes.fromhex(case["signature_64"])
        assert public.verify(header.digest(0x80000000), signature)


def header_of(fields: dict[str, str]) -> Header:
    """The header whose fields the file holds as decimal numbers and hex."""
    number = {name: int(fields[name]) for name in NUMBERS}
    buffer = {name: bytes.fromhex(fields[name]) for name in fields.keys() - NUMBERS}
    return Header(
        network=buffer["network"],
        meter=MeterId(buffer["meter"]),
        register=RegisterId(number["register"]),
        first=number["first"],
        step=number["step"],
        count=number["count"],
        seq=number["seq"],
        prev=buffer["prev"],
        root=buffer["root"],
        mode=number["mode"],
        bits=number["bits"],
        sum=buffer["sum"],
    )


NUMBERS = {"register", "first", "step", "count", "seq", "mode", "bits"}


def test_sip018_hashes_equal_those_of_stacks_js() -> None:
    golden = json.loads(
        (shared_data().parent / "reference/stacks/vectors.json").read_text()
    )
    assert golden["structured_data"]
    for case in golden["structured_data"]:
        chain_id = int(case["domain_repr"].split("(chain-id u")[1].rstrip(")"))
        domain = sip018.domain_hash("edge-meter", "1.0.0", chain_id)
        assert domain.hex() == case["domain_hash"]
        message = _reading_tuple()
        assert sip018.digest(domain, message).hex() == case["sighash"]


def _reading_tuple() -> bytes:
    """The message of those vectors, its fields as their text shows them."""
    fields = {
        "meter": b"\x02" + (32).to_bytes(4) + b"\x01" * 32,
        "start": b"\x01" + (1700000000).to_bytes(16),
        "end": b"\x01" + (1700000900).to_bytes(16),
        "wh": b"\x01" + (412).to_bytes(16),
        "seq": b"\x01" + (7).to_bytes(16),
        "prev": b"\x02" + (32).to_bytes(4) + bytes(32),
    }
    body = b"".join(sip018.key(name) + fields[name] for name in sorted(fields))
    return b"\x0c" + len(fields).to_bytes(4) + body
