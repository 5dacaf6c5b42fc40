"""The claims an evidence bundle makes, each judged on its own and by name.

Signature > leaf > inclusion > checkpoint > anchor: every step a stranger needs, from
values in the bundle and nothing else. A claim is PASS only when it was computed; what
could not be asked is UNCHECKED and says why. This module must never raise for
anything a bundle holds, and never let one good claim cover for another.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterseal_proto.bundle import (
    FILE_PUBLISHER,
    STACKS_PUBLISHER,
    Anchor,
    Bundle,
    HeldReceipt,
    Logged,
    file_reference,
)
from meterseal_proto.checkpoint import Checkpoint, open_note, parse_note
from meterseal_proto.cosignature import cosigned_at, is_cosignature, parse_cosigner
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.entry import KeyEvent, leaf_of, open_key_event_entry, seal_entry
from meterseal_proto.errors import Rejected
from meterseal_proto.intervals import STEPS
from meterseal_proto.keys import PublicKey
from meterseal_proto.merkle import verify_inclusion
from meterseal_proto.receipt import Receipt, open_receipt
from meterseal_proto.seal import MODE_OPEN, NO_SUM, Header, Seal, record_root
from meterseal_proto.tariff import LocalTime
from meterseal_proto.units import obis_text

AT_ENROLMENT: Final = bytes(32)
"""A key event's `previous` where no chain of seals came before it."""

_ON_CHAIN: Final = re.compile(
    rf"{STACKS_PUBLISHER}:(\d{{1,10}}):S[0-9A-Z]{{2,40}}\.[a-zA-Z][a-zA-Z0-9_-]{{0,39}}:\d{{1,12}}",
    re.ASCII,
)
"""`bundle.stacks_reference`: the chain, the contract, the block's height."""
_Case = TypeVar("_Case")


class Verdict(StrEnum):
    """How a claim came out."""

    PASS = "PASS"  # noqa: S105 - the word printed, no password
    FAIL = "FAIL"
    UNCHECKED = "UNCHECKED"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: its short `name`, the `verdict`, and one sentence for a reader."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the reader knows from elsewhere: his `network` id in hex, a Stacks `node` URL.

    `clock` gives the clock of a named time zone, for prices; KeyError for none it knows.
    `witness` is the key, name+id+base64, of one who must have cosigned; `trustees` are the
    fingerprints of the three, as the commissioning sheet has them.
    """

    network: str | None = None
    node: str | None = None
    clock: Callable[[str], LocalTime] | None = None
    witness: str | None = None
    trustees: tuple[str, ...] = ()


class Wrong(Exception):
    """A claim is false; the message says why."""


class Unasked(Exception):
    """A claim cannot be judged from here; the message says why."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the claims share: None where an earlier claim failed to establish it."""

    bundle: Bundle
    expectation: Expectation
    checkpoint: Checkpoint | None
    event: KeyEvent | None
    public: PublicKey | None

    @property
    def seal(self) -> Seal:
        """The bundle's seal."""
        return self.bundle.seal.seal

    @property
    def header(self) -> Header:
        """Its header."""
        return self.bundle.seal.seal.header

    @property
    def digest(self) -> bytes:
        """Its header hash."""
        return self.header.digest(self.bundle.genesis.chain_id)


def judge(bundle: Bundle, expectation: Expectation) -> tuple[Claim, ...]:
    """Judge every claim of a bundle, in the order of `CLAIMS`."""
    facts = facts_of(bundle, expectation)
    own = [judge_one(name, check, facts) for name, check in CLAIMS[SHARED:]]
    return (*judge_shared(facts), *own)


def judge_shared(facts: Facts, *, keyed: bool = True) -> tuple[Claim, ...]:
    """Judge what every file claims of its network and checkpoint, and (`keyed`) its key.

    A witness is judged where the reader named one.
    """
    named = facts.expectation.witness is not None
    shared = SHARED if keyed else SHARED - 1
    checks = (*CLAIMS[:shared], *((("witness", _witness),) if named else ()))
    return tuple(judge_one(name, check, facts) for name, check in checks)


def holds(claims: Sequence[Claim], *, require_anchor: bool) -> bool:
    """Say whether the evidence holds: nothing fails, and the anchor passes if required."""
    for claim in claims:
        required = require_anchor and claim.name == "anchor"
        if claim.verdict is Verdict.FAIL:
            return False
        if required and claim.verdict is not Verdict.PASS:
            return False
    return bool(claims)


def judge_one(name: str, check: Callable[[_Case], str], case: _Case) -> Claim:
    """Judge one claim of a case: what it says when it holds, or why it does not."""
    try:
        return Claim(name, Verdict.PASS, check(case))
    except Wrong as wrong:
        return Claim(name, Verdict.FAIL, str(wrong))
    except Unasked as unasked:
        return Claim(name, Verdict.UNCHECKED, str(unasked))


def facts_of(bundle: Bundle, expectation: Expectation) -> Facts:
    """Return what a bundle's claims share."""
    checkpoint: Checkpoint | None
    try:
        checkpoint = open_note(bundle.checkpoint, bundle.genesis.log_key)
    except Rejected:
        checkpoint = None
    event: KeyEvent | None = None
    public: PublicKey | None = None
    try:
        event = open_key_event_entry(bundle.key.entry)
        public = PublicKey.parse(event.algorithm, event.public)
    except (Rejected, ValueError):
        pass
    return Facts(bundle, expectation, checkpoint, event, public)


def _network(facts: Facts) -> str:
    network = facts.bundle.genesis.network
    if facts.header.network != network:
        raise Wrong("the header names another network than the genesis document makes")
    if facts.event is not None and facts.event.network != network:
        raise Wrong("the key event is of another network than the genesis document")
    return f"the genesis document with the log's key hashes to {network.hex()}"


def _your_network(facts: Facts) -> str:
    network, expected = facts.bundle.genesis.network.hex(), facts.expectation.network
    if expected is None:
        raise Unasked("give your network's id with --network, or this may be another's")
    if network != expected.lower():
        raise Wrong(f"the bundle is of network {network}, not of yours")
    return "the bundle is of the network you named"


def _checkpoint(facts: Facts) -> str:
    try:
        checkpoint = open_note(facts.bundle.checkpoint, facts.bundle.genesis.log_key)
    except Rejected as rejected:
        raise Wrong(rejected.detail) from None
    lines = parse_note(facts.bundle.checkpoint).signatures
    if sum(not is_cosignature(line) for line in lines) != 1:
        raise Wrong("a checkpoint carries the log's signature, witnesses' and no other")
    return f"signed by the log of the genesis document at {checkpoint.size} entries"


def _witness(facts: Facts) -> str:
    assert facts.expectation.witness is not None
    try:
        key = parse_cosigner(facts.expectation.witness)
        at = cosigned_at(parse_note(facts.bundle.checkpoint), key)
    except Rejected as rejected:
        raise Wrong(rejected.detail) from None
    return f"{key.name} saw the log grow to this checkpoint and cosigned it at {at}"


def _key(facts: Facts) -> str:
    event, header = facts.event, facts.header
    if event is None or facts.public is None:
        raise Wrong("the entry is no key event with a usable key")
    if (event.meter, event.register) != (header.meter, header.register):
        raise Wrong("the key event is of another meter or register")
    if header.seq < event.from_seq:
        raise Wrong(f"the key seals from sequence {event.from_seq} on, this is earlier")
    if event.step < STEPS[0] or header.step % event.step:
        raise Wrong(f"the register was enrolled with intervals of {event.step} s")
    if facts.bundle.key.logged.index >= facts.bundle.seal.logged.index:
        raise Wrong("the key was logged after the seal")
    included(facts, facts.bundle.key.entry, facts.bundle.key.logged)
    return (
        f"logged at {facts.bundle.key.logged.index}, seals meter {header.meter.hex()} "
        f"register {obis_text(header.register)} from sequence {event.from_seq} on; "
        "a later revocation would not be in this bundle"
    )


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


def included(facts: Facts, entry: bytes, logged: Logged) -> None:
    """Check that an entry is in the log; raises Wrong or Unasked."""
    head = facts.checkpoint
    if head is None:
        raise Unasked("there is no valid checkpoint to prove it against")
    leaf = leaf_of(entry)
    if not verify_inclusion(leaf, logged.index, head.size, logged.proof, head.root):
        raise Wrong(f"the proof does not lead from entry {logged.index} to the root")


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
    anchor, node = facts.bundle.anchor, facts.expectation.node
    if anchor is not None:
        _anchored(facts, anchor)
        if anchor.publisher == STACKS_PUBLISHER:
            raise Unasked(f"no node was asked for {anchor.reference}")
    if node is not None:
        raise Unasked(f"no Stacks contract is known yet, so {node} was not asked")
    if anchor is None:
        raise Unasked("the bundle holds no anchor")
    raise Unasked("it was written to the log's own file, which proves nothing")


def _anchored(facts: Facts, anchor: Anchor) -> None:
    if anchor.publisher not in (FILE_PUBLISHER, STACKS_PUBLISHER):
        raise Wrong("the publisher is not one this release knows (file, stacks)")
    if not _named(facts, anchor):
        raise Wrong("the reference does not name what was published")
    head = facts.checkpoint
    if head is not None and (head.size, head.root) != (anchor.size, anchor.root):
        raise Wrong("what was published is not the checkpoint's size and root")


def _named(facts: Facts, anchor: Anchor) -> bool:
    """Tell whether the reference is one that the publisher gives, on the network's chain."""
    if anchor.publisher == FILE_PUBLISHER:
        return anchor.reference == file_reference(anchor.size, anchor.root)
    match = _ON_CHAIN.fullmatch(anchor.reference)
    return match is not None and int(match[1]) == facts.bundle.genesis.chain_id


CLAIMS: Final[tuple[tuple[str, Callable[[Facts], str]], ...]] = (
    ("network", _network),
    ("your-network", _your_network),
    ("checkpoint", _checkpoint),
    ("key", _key),
    ("signature", _signature),
    ("records", _records),
    ("register", _register),
    ("inclusion", _inclusion),
    ("receipt", _receipt),
    ("anchor", _anchor),
)
"""Every claim of a bundle by name, in the order a reader follows them."""
SHARED: Final = 4
"""How many of them every file makes: of its network, checkpoint and key."""
