"""What every file of evidence claims, bill or trade: its files, network, log, keys, seals.

Each part is read by the claim that answers for it; any other claim that needs a part
which does not read is UNCHECKED and names the part, so that what was touched is named
once. Judged here: files, manifest, network, checkpoint, keys, signatures, records,
inclusion, ledger chain, anchor. This module must never raise for anything a ZIP holds,
and never let one good claim cover for another.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Final, TypeVar

from meterseal_proto.bundle import (
    NOTE_LIMIT,
    Anchor,
    Bundle,
    KeyEvidence,
    Logged,
    SealEvidence,
    parse_canonical,
    read_anchor,
    read_genesis,
)
from meterseal_proto.claims import ANCHOR as ANCHORED
from meterseal_proto.claims import (
    SHARED,
    Claim,
    Expectation,
    Facts,
    Unasked,
    Verdict,
    Wrong,
    facts_of,
    included,
    judge_one,
    judge_shared,
)
from meterseal_proto.claims_anchor import anchored
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import (
    KeyEvent,
    leaf_of,
    open_key_event_entry,
    seal_entry,
)
from meterseal_proto.errors import Rejected
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import Dossier
from meterseal_proto.evidence.ledgerrun import LedgerEntry, LedgerRun, read_runs
from meterseal_proto.evidence.places import read_places
from meterseal_proto.evidence.sealedfile import SealedRegister, read_seals
from meterseal_proto.keys import PublicKey
from meterseal_proto.merkle import HASH_BYTES, verify_inclusion
from meterseal_proto.seal import Header, Seal, record_root
from meterseal_proto.units import MeterId, RegisterId, obis_text

MAX_REGISTERS: Final = 16
"""Registers of a bill: two directions of four meters, each replaced once."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Key:
    """A key event with a usable key, and the place of its entry."""

    event: KeyEvent
    public: PublicKey
    logged: Logged


@dataclass(frozen=True)
class Case:
    """A ZIP's files with what the reader knows; each part is read when it is asked for."""

    dossier: Dossier
    expectation: Expectation

    def content(self, name: str) -> bytes:
        """Return a file's bytes; Wrong where it is missing or damaged."""
        if name in self.dossier.damaged:
            raise Wrong(f"{name} is damaged: it cannot be unpacked")
        if name not in self.dossier.files:
            raise Wrong(f"{name} is missing")
        return self.dossier.files[name]

    def read(self, name: str, reader: Callable[[bytes], _T]) -> _T:
        """Return a file's content as `reader` reads it; Wrong where it does not."""
        try:
            return reader(self.content(name))
        except (Rejected, ValueError) as error:
            raise Wrong(f"{name}: {error}") from None

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name, damaged or not."""
        return name in self.dossier.files or name in self.dossier.damaged

    @cached_property
    def genesis(self) -> Genesis:
        """The network's genesis document."""
        return self.read(
            parts.NETWORK, lambda data: read_genesis(parse_canonical(data))
        )

    @cached_property
    def places(self) -> dict[bytes, Logged]:
        """Where entries stand, by leaf hash."""
        return self.read(parts.LOG, read_places)

    @cached_property
    def runs(self) -> tuple[LedgerRun, ...]:
        """The runs of the ledger."""
        return self.read(parts.LEDGER, read_runs)

    @cached_property
    def anchor(self) -> Anchor | None:
        """What was published, None where the file says nothing of it."""
        if not self.has(parts.ANCHOR):
            return None
        return self.read(
            parts.ANCHOR, lambda data: read_anchor(dict(parse_canonical(data)))
        )

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The keys, in the order of the file."""
        return tuple(self._keys())

    def _keys(self) -> Iterable[Key]:
        for entry in self.read(parts.KEYS, parts.read_keys):
            try:
                event = open_key_event_entry(entry)
                public = PublicKey.parse(event.algorithm, event.public)
            except ValueError as error:
                raise Wrong(f"{parts.KEYS}: {error}") from None
            if event.network != self.genesis.network:
                raise Wrong("a key is of another network than the genesis document")
            yield Key(event, public, self.prove(entry, "a key"))

    @cached_property
    def sealed(self) -> dict[str, SealedRegister]:
        """The registers with open seals, by the name of their file."""
        names = [
            parts.numbered(parts.SEALS, number)
            for number in range(1, MAX_REGISTERS + 1)
        ]
        network = given(lambda: self.genesis, parts.NETWORK).network
        return {
            name: self.read(name, lambda data: read_seals(data, network))
            for name in names
            if self.has(name)
        }

    @cached_property
    def facts(self) -> Facts:
        """What claims of every file share; a checkpoint or anchor that does not read is none."""
        genesis = self.genesis
        try:
            note = self.content(parts.CHECKPOINT)[:NOTE_LIMIT].decode()
        except (Wrong, UnicodeDecodeError):
            note = ""
        try:
            anchor = self.anchor
        except Wrong:
            anchor = None
        nothing = Header(
            genesis.network, MeterId(bytes(16)), RegisterId(0), 0, 1, 1, 0,
            bytes(HASH_BYTES), bytes(HASH_BYTES),
        )  # fmt: skip
        nowhere = Logged(0, ())
        bundle = Bundle(
            genesis, KeyEvidence(b"", nowhere),
            SealEvidence(Seal(nothing, b"", (), ()), nowhere), note, None, anchor,
        )  # fmt: skip
        return facts_of(bundle, self.expectation)

    def prove(self, entry: bytes, what: str) -> Logged:
        """Return where an entry stands in the log; Wrong or Unasked where it is not shown."""
        logged = given(lambda: self.places, parts.LOG).get(leaf_of(entry))
        if logged is None:
            raise Wrong(f"{what} is not among the log's entries that are shown")
        included(given(lambda: self.facts, parts.NETWORK), entry, logged)
        return logged

    def moved(self) -> list[LedgerEntry]:
        """Return the ledger's entries that moved something, in order."""
        runs = given(lambda: self.runs, parts.LEDGER)
        return [entry for run in runs for entry in run.entries if entry.moves]


def given(asked: Callable[[], _T], name: str) -> _T:
    """Return a part that another claim answers for; Unasked where it does not read."""
    try:
        return asked()
    except Wrong:
        raise Unasked(f"there is no {name} that holds to judge it with") from None


def judge_files(case: Case) -> tuple[Claim, ...]:
    """Judge the ZIP, its manifest, and the network with its checkpoint."""
    own = (
        judge_one("files", _files, case),
        judge_one("manifest", _manifest, case),
    )
    try:
        shared = judge_shared(case.facts, keyed=False)
    except Wrong as wrong:
        first = Claim("network", Verdict.FAIL, str(wrong))
        rest = "there is no network to judge it by"
        names = [name for name, _ in SHARED[1:-1]]
        shared = (first, *(Claim(name, Verdict.UNCHECKED, rest) for name in names))
    return (*own, *shared)


def judge_seals(case: Case) -> tuple[Claim, ...]:
    """Judge keys, signatures and records of open registers, where there are any."""
    if not case.has(parts.numbered(parts.SEALS, 1)):
        return ()
    return tuple(judge_one(name, check, case) for name, check in SEAL_CLAIMS)


def judge_log(case: Case) -> tuple[Claim, ...]:
    """Judge the log's proofs, the ledger's chain, and what was published."""
    return tuple(judge_one(name, check, case) for name, check in LOG_CLAIMS)


def _files(case: Case) -> str:
    if case.dossier.damaged:
        raise Wrong(f"{case.dossier.damaged[0]} is damaged: it cannot be unpacked")
    return f"{len(case.dossier.files)} files, each as its ZIP says"


def _manifest(case: Case) -> str:
    named = case.read(parts.MANIFEST, parts.read_manifest)
    there = {*case.dossier.files, *case.dossier.damaged} - {parts.MANIFEST}
    for name in sorted(there ^ named.keys()):
        raise Wrong(f"{name} is {'not named by it' if name in there else 'missing'}")
    for name, told in sorted(named.items()):
        if sha256(case.content(name)).digest() != told.digest:
            raise Wrong(f"{name} is not what was packed: it was changed")
        if not told.kind or told.kind != parts.kind_of(name):
            raise Wrong(f"{name} is not the kind of file it says")
    return f"{len(named)} files hash to what it says"


def _keys(case: Case) -> str:
    if not case.keys:
        raise Wrong("there is no key")
    return f"{len(case.keys)} keys were given to registers, each in the log"


def _signatures(case: Case) -> str:
    keys, count = given(lambda: case.keys, parts.KEYS), 0
    chain_id = given(lambda: case.genesis, parts.NETWORK).chain_id
    for name, sealed in given(lambda: case.sealed, parts.SEALS).items():
        for seal in sealed.seals:
            header = seal.header
            key = _speaking(keys, header)
            if not key.public.verify(header.digest(chain_id), seal.signature):
                raise Wrong(f"{name}: the logged key did not sign {header.seq}")
            count += 1
    return f"the meters' keys signed {count} seals"


def _speaking(keys: Sequence[Key], header: Header) -> Key:
    """Return the key in force at a seal; Wrong where none was."""
    place = header.meter, header.register
    mine = [
        key
        for key in keys
        if (key.event.meter, key.event.register) == place
        and key.event.from_seq <= header.seq
    ]
    if not mine:
        raise Wrong(f"no key of the file sealed sequence {header.seq}")
    return max(mine, key=lambda key: (key.event.from_seq, key.logged.index))


def _records(case: Case) -> str:
    count = 0
    for name, sealed in case.sealed.items():
        for seal in sealed.seals:
            if record_root(seal.records, seal.salts) != seal.header.root:
                raise Wrong(
                    f"{name}: the records of seal {seal.header.seq} do not hash to its root"
                )
            for before, after in pairwise(seal.records):
                if before.value + after.delta != after.value:
                    raise Wrong(f"{name}: the register does not grow at {after.start}")
            count += len(seal.records)
        seqs = [seal.header.seq for seal in sealed.seals]
        if seqs != sorted(set(seqs)):
            raise Wrong(f"{name}: seals are not in the order of their sequence")
    said = {obis_text(one.register) for one in case.sealed.values()}
    return f"{count} records of {', '.join(sorted(said))} hash to what was sealed"


def _inclusion(case: Case) -> str:
    facts = given(lambda: case.facts, parts.NETWORK)
    for sealed in given(lambda: case.sealed, parts.SEALS).values():
        for seal in sealed.seals:
            entry = seal_entry(seal.header, seal.signature)
            if leaf_of(entry) not in case.places:
                raise Wrong(f"seal {seal.header.seq} is not among the entries shown")
    _prove_all(case, facts)
    return f"{len(case.places)} entries are in the log, every seal among them"


def _prove_all(case: Case, facts: Facts) -> None:
    """Check every place, also those that no other claim asks for."""
    head = facts.checkpoint
    if head is None:
        raise Unasked("there is no valid checkpoint to prove it against")
    for leaf, logged in case.places.items():
        if not verify_inclusion(leaf, logged.index, head.size, logged.proof, head.root):
            raise Wrong(
                f"the proof does not lead from entry {logged.index} to the root"
            )


def _chain(case: Case) -> str:
    count = 0
    for run in case.runs:
        if run.last_hash() != run.hash:
            raise Wrong(
                f"entries from {run.entries[0].seq} on do not hash to the ledger's chain"
            )
        count += len(run.entries)
    for before, after in pairwise(case.runs):
        if after.entries[0].seq <= before.entries[-1].seq:
            raise Wrong("its runs are not in the order of the ledger, each entry once")
    return f"{count} entries hash to the ledger's chain in {len(case.runs)} runs"


def _anchor(case: Case) -> str:
    if case.anchor is None and case.has(parts.ANCHOR):
        raise Wrong(f"{parts.ANCHOR} is left out where nothing was published")
    places = given(lambda: case.places, parts.LOG).values()
    facts = given(lambda: case.facts, parts.NETWORK)
    return anchored(facts, max((place.index for place in places), default=-1))


SEAL_CLAIMS: Final[tuple[tuple[str, Callable[[Case], str]], ...]] = (
    ("keys", _keys),
    ("signatures", _signatures),
    ("records", _records),
)
LOG_CLAIMS: Final[tuple[tuple[str, Callable[[Case], str]], ...]] = (
    ("inclusion", _inclusion),
    ("ledger-chain", _chain),
    (ANCHORED, _anchor),
)
