"""A bundle proves one seal to a stranger, and nothing about it can be changed."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.bundle import (
    Bundle,
    canonical,
    parse_bundle,
    stacks_reference,
)
from meterseal_proto.checkpoint import sign_note
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.claims_bundle import judge
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.keys import Algorithm, RootSecret, SealKey
from meterseal_proto.receipt import Answer, Receipt, Refusal, sign_receipt
from meterseal_proto.seal import OpenRecord
from meterseal_proto.units import EXPORT, MeterId
from meterseal_proto.verify import examine, render
from tests.support.evidence import GENESIS, LOG_KEY, METER, Street, a_bundle

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"
ANYBODY = Expectation()


def verdicts(bundle: Bundle, expectation: Expectation = ANYBODY) -> dict[str, Verdict]:
    return {claim.name: claim.verdict for claim in judge(bundle, expectation)}


def failed(claims: tuple[Claim, ...]) -> set[str]:
    return {claim.name for claim in claims if claim.verdict is Verdict.FAIL}


def test_a_real_bundle_passes_every_claim_but_those_nobody_could_check() -> None:
    found = verdicts(a_bundle())
    unchecked = {name for name, verdict in found.items() if verdict is not Verdict.PASS}
    assert unchecked == {"your-network", "anchor"}
    assert all(found[name] is Verdict.UNCHECKED for name in unchecked)


def test_the_vector_is_what_the_independent_script_makes() -> None:
    made = subprocess.run(
        [sys.executable, str(VECTORS / "make_bundle.py")],
        capture_output=True,
        check=True,
    )
    assert made.stdout == (VECTORS / "bundle.json").read_bytes()


def test_a_bundle_made_by_other_code_passes_and_is_spelt_as_ours() -> None:
    data = (VECTORS / "bundle.json").read_bytes()
    found = {claim.name: claim.verdict for claim in examine(data, ANYBODY)}
    unchecked = {name for name, verdict in found.items() if verdict is not Verdict.PASS}
    assert unchecked == {"your-network", "anchor"}
    assert parse_bundle(data).encode() == data


def test_a_p256_seal_in_a_bundle_verifies_too() -> None:
    street = Street(key=RootSecret(bytes(32)).seal_key(Algorithm.P256))
    assert failed(judge(street.bundle(street.seal()), ANYBODY)) == set()


def test_a_later_seal_verifies_without_the_earlier_ones() -> None:
    street = Street()
    street.seal()
    claims = judge(street.bundle(street.seal((5, 6))), ANYBODY)
    assert failed(claims) == set()
    (register,) = [claim for claim in claims if claim.name == "register"]
    assert "earlier seals are not here" in register.text


def test_parsing_and_encoding_give_the_same_bytes_and_values() -> None:
    bundle = a_bundle()
    assert parse_bundle(bundle.encode()) == bundle
    bare = replace(bundle, receipt=None, anchor=None)
    assert parse_bundle(bare.encode()) == bare


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"1" * 5_000,
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b"\xff\xfe\x00",
        bytes(300_000),
        b'{"format":"meterseal/bundle/2"}',
        b'{"a":NaN}',
        b'{"a":1,"a":1}',
    ],
)
def test_what_is_no_bundle_is_one_clear_line(data: bytes) -> None:
    claims = examine(data, ANYBODY)
    assert failed(claims) == {"format"}
    assert render(claims, passed=False, as_json=False).count("\n") == 0


def test_every_other_spelling_of_the_same_bundle_is_refused() -> None:
    data = a_bundle().encode()
    value = json.loads(data)
    upper = json.loads(data)
    upper["seal"]["meter"] = METER.hex().upper()
    spellings = [
        json.dumps(value).encode(),
        json.dumps(value, separators=(",", ":"), sort_keys=True)[::-1].encode(),
        data + b"\n",
        b" " + data,
        data.replace(b"meterseal/bundle/1", b"meterseal\\/bundle\\/1"),
        canonical(upper),
        canonical({**value, "extra": 1}),
        canonical({name: value[name] for name in value if name != "anchor"}),
        json.dumps({**value, "a": 3.0}, sort_keys=True, separators=(",", ":")).encode(),
        canonical({**value, "seal": {**value["seal"], "mode": False}}),
        canonical({**value, "seal": {**value["seal"], "seq": 2**63}}),
        canonical({**value, "seal": {**value["seal"], "records": []}}),
        canonical({**value, "genesis": {**value["genesis"], "registry": "\ud800"}}),
        canonical({**value, "checkpoint": "\ud800"}),
    ]
    for spelling in spellings:
        with pytest.raises(Rejected):
            parse_bundle(spelling)


def test_the_readers_own_network_is_compared_when_he_names_it() -> None:
    bundle = a_bundle()
    mine = Expectation(network=GENESIS.network.hex())
    assert verdicts(bundle, mine)["your-network"] is Verdict.PASS
    for other in ("00" * 32, "", "nonsense"):
        wrong = Expectation(network=other)
        assert verdicts(bundle, wrong)["your-network"] is Verdict.FAIL


def test_another_networks_log_cannot_vouch_for_the_seal() -> None:
    bundle = a_bundle()
    other = replace(GENESIS, registry="ST000.registry")
    assert verdicts(replace(bundle, genesis=other))["network"] is Verdict.FAIL


def test_a_checkpoint_of_another_key_or_with_a_stowaway_line_fails() -> None:
    street, stranger = Street(), Ed25519PrivateKey.from_private_bytes(bytes(32))
    bundle = street.bundle(street.seal())
    forged = sign_note(street.checkpoint(), stranger)
    found = verdicts(replace(bundle, checkpoint=forged))
    assert found["checkpoint"] is Verdict.FAIL
    assert found["inclusion"] is Verdict.UNCHECKED
    extra = bundle.checkpoint + "\u2014 somebody AAAABBBB\n"
    assert verdicts(replace(bundle, checkpoint=extra))["checkpoint"] is Verdict.FAIL


def test_a_seal_that_is_not_in_the_log_fails_by_inclusion_alone() -> None:
    street = Street()
    bundle = street.bundle(street.seal())
    street.entries[-1] = b"\x03\x01" + bytes(32)
    head = sign_note(street.checkpoint(), LOG_KEY)
    key = replace(bundle.key, logged=street.logged(street.key_index))
    swapped = replace(bundle, checkpoint=head, key=key, anchor=None)
    assert failed(judge(swapped, ANYBODY)) == {"inclusion"}


def test_a_seal_by_a_key_that_was_not_logged_fails_by_signature() -> None:
    street = Street()
    street.key = RootSecret(bytes(32)).seal_key()
    assert failed(judge(street.bundle(street.seal()), ANYBODY)) == {"signature"}


def test_a_key_event_of_another_register_or_logged_later_fails_by_key() -> None:
    street = Street()
    bundle = street.bundle(street.seal())
    seal, key = bundle.seal, bundle.key
    noise = replace(bundle, key=replace(key, entry=street.entries[0]))
    assert verdicts(noise)["key"] is Verdict.FAIL
    header = replace(seal.seal.header, meter=MeterId(bytes(16)))
    other = replace(seal, seal=replace(seal.seal, header=header))
    assert verdicts(replace(bundle, seal=other))["key"] is Verdict.FAIL


def test_a_first_seal_that_forgets_the_enrolled_register_fails_by_register() -> None:
    street = Street(value=900)
    assert failed(judge(street.bundle(street.seal()), ANYBODY)) == {"register"}


def test_a_first_seal_that_does_not_follow_its_enrolment_fails_by_register() -> None:
    street = Street()
    street.prev = bytes(32)
    assert failed(judge(street.bundle(street.seal()), ANYBODY)) == {"register"}


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("network", {"network": bytes(32)}),
        ("records", {"count": 2}),
        ("records", {"root": bytes(32)}),
        ("records", {"mode": 1}),
        ("records", {"bits": 16}),
        ("records", {"sum": b"\x02" * 33}),
        ("records", {"step": 1_800}),
    ],
)
def test_a_device_that_signs_a_wrong_header_fails_by_one_claim(
    claim: str, changes: dict[str, Any]
) -> None:
    street = Street()
    seal = street.seal(**changes)
    assert failed(judge(street.bundle(seal), ANYBODY)) == {claim}


def jump(records: list[OpenRecord]) -> list[OpenRecord]:
    return [*records[:-1], replace(records[-1], value=records[-1].value + 1)]


def late(records: list[OpenRecord]) -> list[OpenRecord]:
    return [*records[:-1], replace(records[-1], start=records[-1].start + 900)]


def overflow(records: list[OpenRecord]) -> list[OpenRecord]:
    return [replace(records[0], delta=records[0].value + 1), *records[1:]]


@pytest.mark.parametrize(
    ("claim", "spoil"), [("register", jump), ("records", late), ("register", overflow)]
)
def test_a_device_that_signs_wrong_records_fails_by_one_claim(
    claim: str, spoil: Callable[[list[OpenRecord]], list[OpenRecord]]
) -> None:
    street = Street()
    street.seal()
    assert failed(judge(street.bundle(street.seal(spoil=spoil)), ANYBODY)) == {claim}


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("network", {"network": bytes(32)}),
        ("key", {"meter": bytes(16)}),
        ("key", {"register": 1}),
        ("key", {"from_seq": 3}),
        ("key", {"step": 1_800}),
        ("key", {"step": 0}),
        (
            "signature",
            {"public": SealKey(Algorithm.SECP256K1, bytes([1]) * 32).public.raw},
        ),
        ("key", {"public": bytes(33)}),
        ("key", {"algorithm": "rsa"}),
    ],
)
def test_a_key_event_that_binds_something_else_fails_by_one_claim(
    claim: str, changes: dict[str, Any]
) -> None:
    street = Street()
    street.seal()
    street.enrol(**changes)
    assert failed(judge(street.bundle(street.seal()), ANYBODY)) == {claim}


def rotated(**changes: Any) -> Bundle:  # fields of KeyEvent
    """Give the evidence for the first seal under a street's second key."""
    street = Street()
    street.seal()
    street.key = RootSecret(bytes(32)).seal_key()
    now = {"from_seq": 2, "previous": street.prev}
    now |= {"initial_value": street.value, "initial_at": street.end}
    street.enrol(**{**now, **changes})
    return street.bundle(street.seal())


def test_the_first_seal_of_a_rotated_key_starts_where_the_chain_stood() -> None:
    claims = judge(rotated(), ANYBODY)
    assert failed(claims) == set()
    assert "from the 1019 the key was given" in next(
        claim.text for claim in claims if claim.name == "register"
    )
    for changes in ({"initial_value": 1_018}, {"initial_at": 1_800_000_000}):
        assert failed(judge(rotated(**changes), ANYBODY)) == {"register"}


def test_a_key_logged_after_the_seal_fails_by_key() -> None:
    street = Street()
    seal = street.seal()
    street.enrol()
    assert failed(judge(street.bundle(seal), ANYBODY)) == {"key"}


def test_a_receipt_for_another_seal_or_a_refusal_fails_by_receipt() -> None:
    street = Street()
    seal = street.seal()
    bundle = street.bundle(seal)
    assert bundle.receipt is not None
    digest = seal.header.digest(GENESIS.chain_id)
    answers = [
        Receipt(GENESIS.network, "pi-1", 1, ()),
        Receipt(bytes(32), "pi-1", 1, (Answer(METER, EXPORT, 1, digest),)),
        Receipt(GENESIS.network, "pi-1", 1, (Answer(METER, EXPORT, 1, bytes(32)),)),
        Receipt(
            GENESIS.network,
            "pi-1",
            1,
            (Answer(METER, EXPORT, 1, digest),),
            (Refusal(METER, EXPORT, 1, digest, Reason.GAP),),
        ),
    ]
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for answer in answers:
        held = replace(
            bundle.receipt,
            key=key.public_key().public_bytes_raw(),
            payload=sign_receipt(answer, key),
        )
        assert verdicts(replace(bundle, receipt=held))["receipt"] is Verdict.FAIL


def test_an_anchor_of_another_root_or_publisher_fails_by_anchor() -> None:
    bundle = a_bundle()
    assert bundle.anchor is not None
    for anchor in (
        replace(bundle.anchor, publisher="paper"),
        replace(bundle.anchor, publisher="stacks"),
        replace(bundle.anchor, reference="sha256:" + "0" * 64),
        replace(bundle.anchor, size=bundle.anchor.size + 1),
        replace(bundle.anchor, root=bytes(32)),
    ):
        assert failed(judge(replace(bundle, anchor=anchor), ANYBODY)) == {"anchor"}


CONTRACT = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM.energy-oracle"


def test_an_anchor_on_the_networks_chain_is_unchecked_until_a_node_is_asked() -> None:
    bundle = a_bundle()
    assert bundle.anchor is not None
    chain = bundle.genesis.chain_id
    named = stacks_reference(chain, CONTRACT, 31)
    there = replace(bundle.anchor, publisher="stacks", reference=named)
    judged = verdicts(replace(bundle, anchor=there))
    assert judged["anchor"] is Verdict.UNCHECKED
    for wrong in (
        stacks_reference(chain + 1, CONTRACT, 31),
        stacks_reference(chain, "energy-oracle", 31),
        f"{named}x",
        f"{named}\n",
        named.replace(":31", ":٣١"),
    ):
        anchor = replace(there, reference=wrong)
        assert failed(judge(replace(bundle, anchor=anchor), ANYBODY)) == {"anchor"}
    other = replace(there, root=bytes(32))
    assert failed(judge(replace(bundle, anchor=other), ANYBODY)) == {"anchor"}
