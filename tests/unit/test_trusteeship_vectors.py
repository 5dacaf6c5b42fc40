"""What trustees sign and open is, byte for byte, what an independent script says."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_proto.keys import PublicKey
from meterseal_proto.reporting import (
    Act,
    Place,
    Reported,
    Roster,
    answer_digest,
    blame_digest,
    parse_quarter,
    sign,
    statement,
)
from meterseal_proto.seal import parse_header
from meterseal_proto.seedbox import Deposit, TrusteeKey, opened
from meterseal_proto.totals import Mask, set_hash
from meterseal_proto.units import MeterId, RegisterId

FOLDER = Path(__file__).parents[2] / "proto" / "vectors"
CASE = json.loads((FOLDER / "trusteeship.json").read_text())
DAY = json.loads((FOLDER / "committed.json").read_text())
NETWORK = bytes.fromhex(DAY["network"])
PUBLIC = PublicKey.parse("secp256k1", bytes.fromhex(DAY["public"]))
REPORTED = [
    Reported(parse_header(bytes.fromhex(row["header"])), row["revision"])
    for row in CASE["members"]
]
STATED = bytes.fromhex(CASE["statement"])


def test_headers_and_places_are_those_of_the_script() -> None:
    for one, row in zip(REPORTED, CASE["members"], strict=True):
        assert one.header.digest(DAY["chain_id"]).hex() == row["digest"]
        assert one.place().hex() == row["place"]
    assert CASE["members"][0]["digest"] == DAY["digest"]
    assert CASE["members"][0]["place"] == DAY["place"]


def test_a_set_is_named_and_stated_as_in_the_script() -> None:
    rows = [(r.header.meter, r.header.digest(DAY["chain_id"])) for r in REPORTED]
    named = set_hash(NETWORK, CASE["cell"], CASE["day"], rows)
    assert named.hex() == CASE["set_hash"]
    place = Place(NETWORK, CASE["cell"], CASE["day"])
    assert statement(place, REPORTED, DAY["chain_id"]) == STATED


def test_rosters_answers_and_blames_are_hashed_as_in_the_script() -> None:
    roster = Roster(
        NETWORK, CASE["cell"], parse_quarter(CASE["quarter"]),
        RegisterId(DAY["register"]), {r.header.meter: PUBLIC for r in REPORTED},
    )  # fmt: skip
    assert roster.hash().hex() == CASE["roster"]
    sums = {int(n): Mask(p["value"], p["blinding"]) for n, p in CASE["sums"].items()}
    assert answer_digest(STATED, sums).hex() == CASE["answer"]
    header = REPORTED[0].header
    shown = {header.meter: {2: header.sum}}
    assert blame_digest(STATED, shown).hex() == CASE["blame"]


def test_a_trustee_signs_as_in_the_script() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(CASE["sign_private"]))
    assert sign(key, Act.SET, STATED).hex() == CASE["set_signature"]
    box = X25519PrivateKey.from_private_bytes(
        bytes.fromhex(CASE["deposit"]["private"])
    ).public_key()
    sign_key = key.public_key().public_bytes_raw()
    public = TrusteeKey(1, box.public_bytes_raw(), sign_key)
    assert public.fingerprint().replace(" ", "") == CASE["fingerprint"]


def test_boxes_the_script_sealed_are_opened() -> None:
    case = CASE["deposit"]
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(case["private"]))
    boxes = tuple(bytes.fromhex(box) for box in case["boxes"])
    deposit = Deposit(MeterId(bytes.fromhex(DAY["meter"])), PUBLIC, boxes, b"")
    found = opened(deposit, private, NETWORK, case["trustee"])
    assert {n: seed.hex() for n, seed in found.items()} == {
        0: DAY["seeds"][0],
        2: DAY["seeds"][2],
    }
    trustee = private.public_key().public_bytes_raw()
    assert deposit.digest(NETWORK, trustee).hex() == case["digest"]
    with pytest.raises(ValueError, match="box"):
        opened(deposit, private, NETWORK, 0)
