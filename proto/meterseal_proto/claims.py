"""What the claims of every file have in common, and how a claim is judged by name.

A claim is PASS only when it was computed; what could not be asked is UNCHECKED and says
why. Judged here: the network, the log's checkpoint, a witness under it, and the key. The
rest is of its file: `claims_bundle`, `claims_private`, `claims_total`; what was published
of the log is `claims_anchor`. This module must never raise for anything a file holds, and
never let one good claim cover for another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from meterseal_proto.bundle import Bundle, Logged
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import DEPTH, Node
from meterseal_proto.checkpoint import Checkpoint, open_note, parse_note
from meterseal_proto.cosignature import cosigned_at, is_cosignature, parse_cosigner
from meterseal_proto.entry import KeyEvent, leaf_of, open_key_event_entry
from meterseal_proto.errors import Rejected
from meterseal_proto.intervals import STEPS
from meterseal_proto.keys import PublicKey
from meterseal_proto.merkle import verify_inclusion
from meterseal_proto.seal import Header, Seal
from meterseal_proto.tariff import LocalTime
from meterseal_proto.units import obis_text

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
    """What the reader knows from elsewhere: his `network` id in hex, Stacks `nodes` to ask.

    `clock` gives the clock of a named time zone, for prices; KeyError for none it knows.
    `witness` is the key, name+id+base64, of one who must have cosigned; `trustees` are the
    fingerprints of the three, as the commissioning sheet has them. `contract` anchors roots
    where his network does not say which does; `depth` blocks over an anchor make it count.
    """

    network: str | None = None
    nodes: tuple[Node, ...] = ()
    clock: Callable[[str], LocalTime] | None = None
    witness: str | None = None
    trustees: tuple[str, ...] = ()
    contract: Principal | None = None
    depth: int = DEPTH


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


def judge_shared(facts: Facts, *, keyed: bool = True) -> tuple[Claim, ...]:
    """Judge what every file claims of its network and checkpoint, and (`keyed`) its key.

    A witness is judged where the reader named one.
    """
    named = facts.expectation.witness is not None
    shared = SHARED if keyed else SHARED[:-1]
    checks = (*shared, *((("witness", _witness),) if named else ()))
    return tuple(judge_one(name, check, facts) for name, check in checks)


def holds(claims: Sequence[Claim], *, require_anchor: bool) -> bool:
    """Say whether the evidence holds: nothing fails, and the anchor passes if required."""
    verdicts = {claim.verdict for claim in claims}
    anchored = [claim.verdict for claim in claims if claim.name == ANCHOR]
    if require_anchor and anchored != [Verdict.PASS]:
        return False
    return bool(claims) and Verdict.FAIL not in verdicts


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


def included(facts: Facts, entry: bytes, logged: Logged) -> None:
    """Check that an entry is in the log; raises Wrong or Unasked."""
    head = facts.checkpoint
    if head is None:
        raise Unasked("there is no valid checkpoint to prove it against")
    leaf = leaf_of(entry)
    if not verify_inclusion(leaf, logged.index, head.size, logged.proof, head.root):
        raise Wrong(f"the proof does not lead from entry {logged.index} to the root")


SHARED: Final[tuple[tuple[str, Callable[[Facts], str]], ...]] = (
    ("network", _network),
    ("your-network", _your_network),
    ("checkpoint", _checkpoint),
    ("key", _key),
)
"""The claims of network, checkpoint and key; the last only where a file has one key."""
ANCHOR: Final = "anchor"
"""The name of the claim that every file makes of what was published."""
