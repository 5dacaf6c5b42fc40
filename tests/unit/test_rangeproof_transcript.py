"""Frozen hearts: whatever a transcript does not hear can be chosen after the challenge.

Each forgery is carried out against a transcript that is deaf to one item, and accepted
there; the same forgery against ours is refused. Of the generators, the bits and the count
no forgery is known, since constants, the proof's length and the commitments' fix them: of
those it is shown that the challenge changes. Source: Trail of Bits, "The Frozen Heart
vulnerability in Bulletproofs", 2022.
"""

from dataclasses import replace

import pytest

from meterseal_proto.commitment import bases, commit
from meterseal_proto.curve import ORDER
from meterseal_proto.generators import SET_HASH
from meterseal_proto.group import group
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.rangeproof import Proof, Statement, parse
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from meterseal_proto.transcript import Transcript

CONTEXT = bytes(32)
EXCESS = 65_536
"""What is hidden beyond 16 bits."""
ROUNDS = 4


class Deaf(Transcript):
    """A transcript that does not hear the `nth` item of a label, or none of them."""

    def __init__(self, heard: Transcript, label: bytes, nth: int | None) -> None:
        self._state = heard.state
        self._label = label
        self._left = nth

    def absorb(self, label: bytes, data: bytes) -> None:
        if label == self._label:
            if self._left is None or self._left == 0:
                self._left = None if self._left is None else -1
                return
            self._left -= 1
        super().absorb(label, data)


class Weak(Statement):
    """A statement whose proofs are heard by a deaf transcript."""

    label: bytes
    nth: int | None

    def __init__(self, said: Statement, label: bytes, nth: int | None = None) -> None:
        super().__init__(said.context, said.bits, said.commitments)
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "nth", nth)

    def transcript(self) -> Transcript:
        begun = Deaf(Transcript(b"weak"), self.label, self.nth)
        begun.absorb(b"context", self.context)
        begun.absorb(b"commitments", b"".join(self.commitments))
        return begun


def challenges(said: Statement, proof: Proof) -> tuple[int, int, list[int], int]:
    """Return y, z, the foldings' and the last challenge."""
    heard = said.transcript()
    heard.absorb(b"A", proof.first)
    y, z = heard.challenge(b"y"), heard.challenge(b"z")
    folds = []
    for left, right in proof.rounds:
        heard.absorb(b"L", left)
        heard.absorb(b"R", right)
        folds.append(heard.challenge(b"e"))
    heard.absorb(b"A'", proof.last[0])
    heard.absorb(b"B", proof.last[1])
    return y, z, folds, heard.challenge(b"last")


def moved(raw: bytes, by: int) -> bytes:
    """Return a point plus a multiple of V."""
    of = group()
    shift = of.times(bases().value, by)
    assert shift is not None
    total = of.add([of.decode(raw), shift])
    assert total is not None
    return of.encode(total)


def half_true(value: int) -> tuple[Statement, list[Opening]]:
    """A commitment to a value and EXCESS, opened as the value alone."""
    blinding = Secret(77 + value)
    made = commit(Secret(value + EXCESS), blinding)
    return Statement(CONTEXT, 16, (made,)), [Opening(Secret(value), blinding)]


def forged(said: Statement, openings: list[Opening], place: str, nth: int = 0) -> bytes:
    """Prove the lie honestly, then mend the equation by moving one point along V."""
    proof = parse(prove(said, openings), said)
    y, z, folds, e = challenges(said, proof)
    # The commitment brings z^2 y^(size + 1) EXCESS of V too much into the argument.
    lie = -EXCESS * pow(z, 2, ORDER) * pow(y, said.size + 1, ORDER)
    rounds, (one, two) = list(proof.rounds), proof.last
    left, right = rounds[nth]
    if place == "A":
        proof = replace(proof, first=moved(proof.first, lie))
    elif place == "L":
        rounds[nth] = (moved(left, lie * pow(folds[nth], -2, ORDER)), right)
    elif place == "R":
        rounds[nth] = (left, moved(right, lie * pow(folds[nth], 2, ORDER)))
    elif place == "A'":
        one = moved(one, lie * e)
    elif place == "B":
        two = moved(two, lie * e * e)
    return replace(proof, rounds=tuple(rounds), last=(one, two)).to_bytes()


MESSAGES = [
    ("A", 0), ("A'", 0), ("B", 0),
    *((place, nth) for nth in range(ROUNDS) for place in ("L", "R")),
]  # fmt: skip


@pytest.mark.parametrize(("place", "nth"), MESSAGES)
def test_a_message_that_is_not_heard_hides_any_excess(place: str, nth: int) -> None:
    honest, openings = half_true(5)
    weak = Weak(honest, place.encode(), nth)
    assert holds([Claim(weak, forged(weak, openings, place, nth))])
    assert not holds([Claim(weak, prove(weak, openings))])
    ours = forged(honest, openings, place, nth)
    assert not holds([Claim(honest, ours)])
    assert not holds([Claim(honest, forged(weak, openings, place, nth))])


def test_commitments_that_are_not_heard_are_changed_afterwards() -> None:
    """One commitment is raised by a million, another lowered by z^2 times as much."""
    blindings = [Secret(11), Secret(12)]
    made = [commit(Secret(v), z) for v, z in zip((3, 4), blindings, strict=True)]
    openings = [Opening(Secret(v), z) for v, z in zip((3, 4), blindings, strict=True)]
    honest = Statement(CONTEXT, 16, tuple(made))
    for said, taken in ((Weak(honest, b"commitments"), True), (honest, False)):
        raw = prove(said, openings)
        _, z, _, _ = challenges(said, parse(raw, said))
        raised = (moved(made[0], -(10**6) * z * z), moved(made[1], 10**6))
        lie = Statement(CONTEXT, 16, raised)
        if isinstance(said, Weak):
            lie = Weak(lie, b"commitments")
        assert holds([Claim(said, raw)])
        assert holds([Claim(lie, raw)]) is taken


def test_a_context_that_is_not_heard_lets_yesterdays_proof_serve_today() -> None:
    blinding = Secret(13)
    today = Statement(CONTEXT, 16, (commit(Secret(3), blinding),))
    tomorrow = replace(today, context=b"\x01" * 32)
    openings = [Opening(Secret(3), blinding)]
    proof = prove(Weak(today, b"context"), openings)
    assert holds([Claim(Weak(tomorrow, b"context"), proof)])
    assert not holds([Claim(tomorrow, prove(today, openings))])


def test_generators_bits_count_and_all_else_change_the_first_challenge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = tuple(commit(Secret(n), Secret(n + 1)) for n in range(3))
    said = Statement(CONTEXT, 16, made)
    variants = [
        said,
        replace(said, bits=32),
        replace(said, commitments=made[:2]),
        replace(said, commitments=made[::-1]),
        replace(said, context=b""),
        replace(said, context=CONTEXT + b"\x00"),
    ]
    drawn = [one.transcript().challenge(b"y") for one in variants]
    monkeypatch.setattr("meterseal_proto.rangeproof.SET_HASH", bytes(32))
    drawn.append(said.transcript().challenge(b"y"))
    for label in (b"generators", b"context", b"bits", b"count", b"commitments"):
        drawn.append(_without(label, said).challenge(b"y"))
    assert len(set(drawn)) == len(drawn)


def _without(label: bytes, said: Statement) -> Transcript:
    items = {
        b"generators": SET_HASH,
        b"context": said.context,
        b"bits": said.bits.to_bytes(4),
        b"count": len(said.commitments).to_bytes(4),
        b"commitments": b"".join(said.commitments),
    }
    heard = Transcript(b"meterseal/range-proof/v1")
    for name, data in items.items():
        if name != label:
            heard.absorb(name, data)
    return heard


@pytest.mark.parametrize("nth", range(3 + 2 * ROUNDS))
def test_every_message_changes_every_later_challenge_and_none_before(nth: int) -> None:
    blinding = Secret(14)
    said = Statement(CONTEXT, 16, (commit(Secret(3), blinding),))
    raw = prove(said, [Opening(Secret(3), blinding)])
    at = 33 * nth
    bent = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
    before, after = (_row(said, one) for one in (raw, bent))
    heard_by = {0: 0, 1: 2 + ROUNDS, 2: 2 + ROUNDS}.get(nth, 2 + (nth - 3) // 2)
    assert before[:heard_by] == after[:heard_by]
    pairs = zip(before[heard_by:], after[heard_by:], strict=True)
    assert all(one != other for one, other in pairs)


def _row(said: Statement, raw: bytes) -> list[int]:
    y, z, folds, last = challenges(said, parse(raw, said))
    return [y, z, *folds, last]


def test_no_two_conversations_have_one_transcript() -> None:
    heard = []
    for items in (
        [(b"ab", b"c")], [(b"a", b"bc")], [(b"abc", b"")], [(b"", b"abc")],
        [(b"a", b""), (b"b", b"c")], [(b"ab", b"c"), (b"", b"")], [],
    ):  # fmt: skip
        one = Transcript(b"domain")
        for label, data in items:
            one.absorb(label, data)
        heard += [one.state, one.challenge(b"y"), one.challenge(b"y")]
    heard.append(Transcript(b"domai").state)
    heard.append(Transcript(b"domain").challenge(b"z"))
    assert len(set(heard)) == len(heard)
