"""Range proofs are byte for byte those of an independent prover, challenge for challenge."""

import json
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto import generators
from meterseal_proto.commitment import commit
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.rangeproof import Statement, parse
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from tests.support import literal_rangeproof

MADE = json.loads(
    (Path(__file__).parents[2] / "proto/vectors/rangeproof.json").read_text()
)
Case = dict[str, Any]  # one proof of the golden JSON


@pytest.fixture(params=MADE["proofs"], ids=lambda case: f"{len(case['values'])} values")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def stated(case: Case) -> tuple[Statement, list[Opening]]:
    openings = [
        Opening(Secret(value), Secret(int(blinding, 16)))
        for value, blinding in zip(case["values"], case["blindings"], strict=True)
    ]
    commitments = tuple(commit(one.value, one.blinding) for one in openings)
    assert [one.hex() for one in commitments] == case["commitments"]
    context = bytes.fromhex(case["context"])
    return Statement(context, case["bits"], commitments), openings


def test_the_generators_are_those_of_the_script() -> None:
    assert generators.SET_HASH.hex() == MADE["set_hash"]
    assert generators.TAG.decode() == MADE["tag"]
    assert literal_rangeproof.SET_HASH.hex() == MADE["set_hash"]
    shown = MADE["generators"]
    for letter in ("G", "H"):
        for index, expected in zip(shown["index"], shown[letter], strict=True):
            assert generators.encoding(letter.encode(), index).hex() == expected


def test_a_proof_from_the_same_randomness_is_the_scripts(case: Case) -> None:
    statement, openings = stated(case)
    made = prove(statement, openings, bytes.fromhex(case["fresh"]))
    assert made.hex() == case["proof"]


def test_every_challenge_is_the_scripts(case: Case) -> None:
    statement, _ = stated(case)
    proof = parse(bytes.fromhex(case["proof"]), statement)
    transcript = statement.transcript()
    assert transcript.state.hex() == case["transcript"]
    transcript.absorb(b"A", proof.first)
    asked = [transcript.challenge(b"y"), transcript.challenge(b"z")]
    for left, right in proof.rounds:
        transcript.absorb(b"L", left)
        transcript.absorb(b"R", right)
        asked.append(transcript.challenge(b"e"))
    transcript.absorb(b"A'", proof.last[0])
    transcript.absorb(b"B", proof.last[1])
    asked.append(transcript.challenge(b"last"))
    assert [hex(one) for one in asked] == case["challenges"]


def test_the_scripts_proofs_are_taken_alone_together_and_literally(case: Case) -> None:
    statement, _ = stated(case)
    proof = bytes.fromhex(case["proof"])
    assert holds([Claim(statement, proof)])
    assert proof == parse(proof, statement).to_bytes()
    assert literal_rangeproof.accepts(
        statement.context, statement.bits, statement.commitments, proof
    )
    every = [
        Claim(stated(one)[0], bytes.fromhex(one["proof"])) for one in MADE["proofs"]
    ]
    assert holds(every)
