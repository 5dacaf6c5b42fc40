"""The claims an evidence bundle makes, each judged on its own and by name.

Signature > leaf > inclusion > checkpoint > anchor: every step a stranger needs, from
values in the bundle, and what nodes say of the anchor. This module must never raise for
anything a bundle holds, and never let one good claim cover for another.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterseal_proto.bundle import Bundle, HeldReceipt
from meterseal_proto.claims import (
    ANCHOR,
    Claim,
    Expectation,
    Facts,
    Unasked,
    Wrong,
    facts_of,
    included,
    judge_one,
    judge_shared,
)
from meterseal_proto.claims_anchor import anchored
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.entry import seal_entry
from meterseal_proto.errors import Rejected
from meterseal_proto.receipt import Receipt, open_receipt
from meterseal_proto.seal import MODE_OPEN, NO_SUM, record_root

AT_ENROLMENT: Final = bytes(32)
"""A key event's `previous` where no chain of seals came before it."""


def judge(bundle: Bundle, expectation: Expectation) -> tuple[Claim, ...]:
    """Judge every claim of a bundle, in the order a reader follows them."""
    facts = facts_of(bundle, expectation)
    own = [judge_one(name, check, facts) for name, check in BUNDLE_CLAIMS]
    return (*judge_shared(facts), *own)


def _signature(facts: Facts) -> str:
    if facts.public is None:
        raise Unasked("there is no key to check it with")
    if not facts.public.verify(facts.digest, facts.seal.signature):
        raise Wrong("the logged key did not sign this header")
    return f"the meter's key signed header {facts.digest.hex()}"


def _records(facts: Facts) -> str:
    header, records = facts.header, facts.seal.records
    if (header.mode, header.bits, header.sum) != (MODE_OPEN, 0, NO_SUM):
        raise Wrong("the header is not of an open seal")
    if record_root(records, facts.seal.salts) != header.root:
        raise Wrong("the records and salts do not hash to the header's root")
    expected = [header.first + i * header.step for i in range(header.count)]
    if header.step < 1 or [r.start for r in records] != expected:
        raise Wrong("the records are not those the header's first, step and count name")
    return f"{len(records)} records from {header.first} on hash to the sealed root"


def _register(facts: Facts) -> str:
    records, header = facts.seal.records, facts.header
    for before, after in pairwise(records):
        if before.value + after.delta != after.value:
            raise Wrong(f"the register does not grow by the interval at {after.start}")
    opening = records[0].value - records[0].delta
    if opening < 0:
        raise Wrong("the first interval is larger than the register at its end")
    start = _start(facts)
    if start is None and header.seq == 1:
        raise Wrong("a register's first seal follows its enrolment, this does not")
    if start is None:
        return f"from {opening} to {records[-1].value}; earlier seals are not here"
    if (header.first, opening) != (start.at, start.value):
        raise Wrong("the key's first seal does not start at its register and time")
    return f"from the {opening} the key was given to {records[-1].value}, every interval adds up"


def _start(facts: Facts) -> RegisterStart | None:
    """Give what the key event counts from, when the seal is the first after it."""
    event = facts.event
    if event is None or facts.public is None:
        return None
    start = RegisterStart(
        event.register, event.step, event.initial_value, event.initial_at,
        event.mode, event.bits,
    )  # fmt: skip
    link = event.previous
    if link == AT_ENROLMENT:
        link = enrolment_hash(event.network, event.meter, start, facts.public)
    return start if facts.header.prev == link else None


def _inclusion(facts: Facts) -> str:
    entry = seal_entry(facts.header, facts.seal.signature)
    included(facts, entry, facts.bundle.seal.logged)
    return f"the seal is entry {facts.bundle.seal.logged.index} of the log"


def _receipt(facts: Facts) -> str:
    held = facts.bundle.receipt
    if held is None:
        raise Unasked("the bundle holds no receipt; the log entry outweighs one")
    receipt = _opened(held)
    if receipt.network != facts.bundle.genesis.network:
        raise Wrong("the receipt is of another network")
    if any(refusal.hash == facts.digest for refusal in receipt.refused):
        raise Wrong("the receipt refuses this seal")
    if not any(_covers(facts, answer) for answer in _answers(receipt)):
        raise Wrong("the receipt does not answer this seal")
    return (
        f"answered under receipt key {held.key.hex()}; compare it with your enrolment"
    )


def _opened(held: HeldReceipt) -> Receipt:
    try:
        return open_receipt(held.payload, Ed25519PublicKey.from_public_bytes(held.key))
    except (Rejected, ValueError, OverflowError) as error:
        raise Wrong(str(error)) from None


def _answers(receipt: Receipt) -> list[tuple[bytes, int, int, bytes]]:
    return [(a.meter, a.register, a.seq, a.hash) for a in receipt.durable]


def _covers(facts: Facts, answer: tuple[bytes, int, int, bytes]) -> bool:
    """Say whether an answer up to a sequence speaks of this seal."""
    meter, register, seq, digest = answer
    header = facts.header
    if (meter, register) != (header.meter, header.register):
        return False
    return seq > header.seq or (seq == header.seq and digest == facts.digest)


def _anchor(facts: Facts) -> str:
    return anchored(facts, facts.bundle.seal.logged.index)


BUNDLE_CLAIMS: Final[tuple[tuple[str, Callable[[Facts], str]], ...]] = (
    ("signature", _signature),
    ("records", _records),
    ("register", _register),
    ("inclusion", _inclusion),
    ("receipt", _receipt),
    (ANCHOR, _anchor),
)
"""Every claim a bundle makes beside those of network, checkpoint and key."""
