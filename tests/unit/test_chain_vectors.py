"""Totals, tariffs and proofs for contracts have the bytes of an independent script."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto import chainproof
from meterseal_proto.c32 import Principal
from meterseal_proto.chainproof import Proof, knows, opening, prove, steps
from meterseal_proto.chaintariff import Terms, chain_tariff, chain_tariff_hash
from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.clarity import encode
from meterseal_proto.commitment import commit, total
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Malformed
from meterseal_proto.reporting import Place
from meterseal_proto.secret import Secret
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff, parse_tariff
from meterseal_proto.totalstariff import (
    UNLIMITED,
    Block,
    Kind,
    TotalsTariff,
    on_totals,
    parse_totals_tariff,
)

MADE = json.loads((Path(__file__).parents[2] / "proto/vectors/chain.json").read_text())
CHAIN = MADE["chain_id"]
NETWORK = bytes.fromhex(MADE["network"])
KEYS = [bytes.fromhex(one) for one in MADE["totals"]["keys"]]
SECRETS = [bytes.fromhex(one) for one in MADE["totals"]["secrets"]]
FLAT = (Block(UNLIMITED, MicroPerKwh(5)),)


def total_of(case: Mapping[str, Any]) -> ChainTotal:  # Any: JSON
    """Read a case of the script."""
    place = Place(NETWORK, str(case["cell"]), int(case["day"]))
    named = bytes.fromhex(str(case["set"]))
    return ChainTotal(place, named, int(case["size"]), int(case["usage"]))


NORTH = total_of(MADE["totals"]["cases"][0])


@pytest.mark.parametrize("case", MADE["totals"]["cases"], ids=lambda case: case["cell"])
def test_a_total_has_the_scripts_bytes_and_trustees_sign_it_as_it_signs(
    case: Mapping[str, Any],  # Any: JSON
) -> None:
    told = total_of(case)
    assert told.consensus().hex() == case["consensus"]
    assert told.digest(CHAIN).hex() == case["digest"]
    made = [told.sign(secret, CHAIN) for secret in SECRETS]
    assert [one.hex() for one in made] == case["signatures"]
    assert [told.signer(KEYS, one, CHAIN) for one in made] == [0, 1, 2]


def test_a_total_stands_under_two_different_trustees_and_for_nothing_else() -> None:
    one, two, _ = (NORTH.sign(secret, CHAIN) for secret in SECRETS)
    stranger = NORTH.sign(bytes([9]) * 32, CHAIN)
    assert NORTH.stands(KEYS, [two, one], CHAIN)
    for few in ([], [one], [one, one], [one, stranger], [one, b""], [one, two[:64]]):
        assert not NORTH.stands(KEYS, few, CHAIN)
    high = two[:32] + (ORDER - int.from_bytes(two[32:64])).to_bytes(32)
    assert not NORTH.stands(KEYS, [one, high + bytes([1 - two[64]])], CHAIN)
    assert not NORTH.stands(KEYS, [one, two], CHAIN + 1)
    for other in (
        replace(NORTH, usage=NORTH.usage + 1),
        replace(NORTH, size=NORTH.size + 1),
        replace(NORTH, set=bytes(32)),
        replace(NORTH, place=replace(NORTH.place, day=NORTH.place.day + 1)),
        replace(NORTH, place=replace(NORTH.place, cell="south")),
        replace(NORTH, place=replace(NORTH.place, network=bytes(32))),
    ):
        assert not other.stands(KEYS, [one, two], CHAIN)
    for at in range(65):
        forged = two[:at] + bytes([two[at] ^ 1]) + two[at + 1 :]
        assert NORTH.signer(KEYS, forged, CHAIN) is None


def test_no_total_is_made_that_the_contract_refuses_whoever_signs() -> None:
    place = NORTH.place
    for wrong in (
        {"size": 19}, {"size": 65_537}, {"usage": -1}, {"usage": 1 << 64},
        {"set": bytes(31)}, {"place": replace(place, cell="")},
        {"place": replace(place, cell="c" * 65)},
        {"place": replace(place, cell="café")},
        {"place": replace(place, day=1 << 20)},
        {"place": replace(place, network=bytes(31))},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"\w"):
            replace(NORTH, **wrong)


@pytest.mark.parametrize(
    "case", MADE["tariffs"], ids=lambda case: case["document"][:40]
)
def test_a_tariff_on_totals_has_both_of_its_names_and_the_scripts_charges(
    case: Mapping[str, Any],  # Any: JSON
) -> None:
    tariff = parse_totals_tariff(case["document"].encode())
    asset = Principal.parse(case["asset"]) if case["asset"] else None
    terms = Terms(Principal.parse(case["provider"]), asset, int(case["due"]))
    assert tariff.document() == case["document"].encode()
    assert tariff.hash().hex() == case["hash"]
    assert encode(chain_tariff(tariff, terms)).hex() == case["consensus"]
    assert chain_tariff_hash(tariff, terms).hex() == case["chain_hash"]
    for row in case["charges"]:
        assert tariff.charge(int(row["usage"]), row["days"]) == int(row["amount"])


def test_a_tariff_of_one_band_is_flat_and_of_several_is_none_on_totals() -> None:
    case = MADE["tariff_of_bands"]
    tariff = parse_tariff(case["document"].encode())
    terms = Terms(Principal.parse(case["provider"]), None, case["due"])
    assert tariff.hash().hex() == case["hash"]
    assert chain_tariff_hash(tariff, terms).hex() == case["chain_hash"]
    night = Band(MicroPerKwh(1), begin=0, end=360)
    with pytest.raises(ValueError, match="time of day"):
        on_totals(replace(tariff, bands=(night, *tariff.bands)))
    with pytest.raises(ValueError, match="time of day"):
        chain_tariff(replace(tariff, bands=(night, *tariff.bands)), terms)


def test_terms_are_those_the_contract_takes() -> None:
    provider = Principal.parse(MADE["tariff_of_bands"]["provider"])
    coin = Principal.parse(MADE["tariffs"][2]["asset"])
    stx = TotalsTariff("a", "STX", "UTC", 1, Kind.FLAT, FLAT)
    usd = Tariff("a", "USD", "UTC", 1, (Band(MicroPerKwh(5)),))
    chain_tariff(usd, Terms(provider, coin, 86_400))
    for tariff, terms in (
        (stx, Terms(provider, coin, 86_400)),
        (usd, Terms(provider, None, 86_400)),
        (stx, Terms(provider, None, 86_399)),
        (stx, Terms(provider, None, 7_776_001)),
    ):
        with pytest.raises(ValueError, match=r"asset|bill"):
            chain_tariff(tariff, terms)


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": []}, {"blocks": {}}, {"blocks": [5]}, {"kind": "tiered"},
        {"blocks": [{"price": 1, "upto": 5}]}, {"kind": "block"}, {"daily": -1},
        {"blocks": [{"price": 1, "upto": 5}, {"price": 1}]}, {"daily": 1 << 48},
        {"blocks": [{"price": 1 << 32}]}, {"blocks": [{"price": 1, "upto": 1 << 48}]},
        {"kind": "block", "blocks": [{"price": 1, "upto": 0}, {"price": 1}]},
        {"kind": "block", "blocks": [{"price": 1, "upto": 5}, {"price": 1, "upto": 5},
                                     {"price": 1}]},
        {"kind": "block", "blocks": [{"price": 1, "upto": n} for n in range(1, 6)]
                                    + [{"price": 1}]},
        {"meterseal": "tariff/1"}, {"currency": "stx"}, {"id": "A"}, {"zone": ""},
        {"valid_from": True}, {"more": 1},
    ],
)  # fmt: skip
def test_other_documents_are_no_tariff_on_totals(change: dict[str, object]) -> None:
    good = json.loads(TotalsTariff("a", "STX", "UTC", 1, Kind.FLAT, FLAT).document())
    text = json.dumps(good | change, sort_keys=True, separators=(",", ":"))
    with pytest.raises(Malformed):
        parse_totals_tariff(text.encode())


def test_a_long_document_and_another_spelling_are_refused() -> None:
    good = TotalsTariff("a", "STX", "UTC", 1, Kind.FLAT, FLAT).document()
    assert parse_totals_tariff(good).document() == good
    for bad in (b" " * 17_000, good + b" ", good.replace(b",", b", ")):
        with pytest.raises(Malformed):
            parse_totals_tariff(bad)
    for usage, days in ((-1, 1), (UNLIMITED, 1), (1, 32), (1, -1)):
        with pytest.raises(ValueError, match="days"):
            parse_totals_tariff(good).charge(usage, days)


@pytest.mark.parametrize("case", MADE["proofs"]["openings"], ids=lambda c: c["value"])
def test_openings_are_the_scripts(case: dict[str, str]) -> None:
    value, blinding = int(case["value"]), Secret(int(case["blinding"], 16))
    made = opening(value, blinding, bytes.fromhex(case["aux"]))
    assert (made.z.hex(), made.a.hex()) == (case["z"], case["a"])
    commitment = commit(Secret(value), blinding)
    assert commitment.hex() == case["commitment"]
    if value == 0:
        assert knows(commitment, Proof(made.a, made.z), chainproof.ZERO_MESSAGE)
        assert opening(0, blinding).a != made.a


@pytest.mark.parametrize("case", MADE["proofs"]["schnorr"], ids=lambda c: c["secret"])
def test_proofs_are_the_scripts_and_prove_one_point_and_message(
    case: dict[str, str],
) -> None:
    message, public = bytes.fromhex(case["message"]), bytes.fromhex(case["public"])
    made = prove(Secret(int(case["secret"], 16)), message, bytes.fromhex(case["aux"]))
    assert (made.a.hex(), made.w.hex()) == (case["a"], case["w"])
    assert knows(public, made, message)
    other = bytes.fromhex(MADE["proofs"]["openings"][1]["commitment"])
    assert not knows(other, made, message)
    assert not knows(public, made, bytes(32))
    assert not knows(public, Proof(other, made.w), message)
    assert not knows(public, Proof(made.a, ORDER.to_bytes(32)), message)
    assert not knows(bytes(33), made, message)
    assert not knows(public, made, message[1:])


def test_what_has_no_proof_is_said() -> None:
    with pytest.raises(ValueError, match="nothing"):
        prove(Secret(0), bytes(32))
    with pytest.raises(ValueError, match="32 bytes"):
        prove(Secret(1), bytes(31))
    for value in (-1, 1 << 128):
        with pytest.raises(ValueError, match="2\\^128"):
            opening(value, Secret(1))


def test_a_month_is_added_step_by_step_as_the_script_adds_it() -> None:
    month = MADE["month"]
    commitments = [bytes.fromhex(one) for one in month["commitments"]]
    made = [
        {"p": s.p.hex(), "q": s.q.hex(), "s": s.s.hex(), "l": s.slope.hex()}
        for s in steps(commitments)
    ]
    assert made == month["steps"]
    assert total(commitments).hex() == month["sum"]
    for bad in ([], commitments * 2, [bytes(33)], [commitments[0]] * 2):
        with pytest.raises(ValueError, match=r"\w"):
            steps(bad)
