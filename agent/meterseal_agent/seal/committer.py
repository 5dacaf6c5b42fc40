"""Committed days: cut, committed to, proved elsewhere, signed; each step on disk.

    committer.cut(now)              # a day's values, blindings and header in one transaction
    job = committer.next_job()      # what a proof is made of
    proof = ...                     # by `prover`, in a process of its own
    committer.proved(job, proof)    # header and envelope signed: ready to leave
    committer.early(now)            # what is ready, but not yet due

Everything but the proof follows from what the first step stored, so after any crash the
rest is done again and the same header leaves. It must never commit to a value that is not
stored beside its header, never sign over values the disk has changed, and never log one.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.model import Chain, Draft, KeptDay, SealKey, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.day import Day, Midnight, leaves_at, next_day
from meterseal_agent.seal.sealer import NOT_SIGNED
from meterseal_proto import backup
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import (
    CommittedSeal,
    Envelope,
    Parcel,
    header_over,
    openings_of,
    records_of,
    statement_of,
    summed_opening,
)
from meterseal_proto.committed_message import (
    decode_committed,
    encode_committed,
    is_committed,
)
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.keys import RootSecret
from meterseal_proto.rangeproof import Statement, proof_bytes
from meterseal_proto.rangeprover import Opening
from meterseal_proto.seal import Header
from meterseal_proto.totals import SEEDS, Masked, day_place, masked
from meterseal_proto.units import MeterId, RegisterId

FRESH_BYTES: Final = 32
MAX_REVISION: Final = 3
"""A day is proved again this often: a machine whose proofs never hold needs a person."""


def fresh_of(root: RootSecret) -> bytes:
    """Return 32 bytes for a proof's nonces: fresh randomness, hedged with the root secret."""
    return hmac.digest(root.nonce_key, secrets.token_bytes(FRESH_BYTES), "sha256")


def nobody(_meter: MeterId) -> bool:
    """Say of every meter that no trustees unmask its totals."""
    return False


@dataclass(frozen=True, slots=True)
class Network:
    """Whose seals these are: its 32-byte id, chain id, local midnights, and of which meter
    three trustees keep the seeds that mask its totals."""

    network: bytes
    chain_id: int
    midnight: Midnight
    totals: Callable[[MeterId], bool] = nobody


@dataclass(frozen=True, slots=True)
class Job:
    """A proof to make: what it says, the openings, 32 fresh bytes for its nonces."""

    seal: SealKey
    statement: Statement
    openings: tuple[Opening, ...] = field(repr=False)
    fresh: bytes = field(repr=False)


class Committer:
    """Seals the days of committed registers; `registers` has the bits of each.

    `damaged` is where seals are named whose stored bytes are no longer what they were.
    """

    def __init__(
        self,
        outbox: Outbox,
        keys: Keys,
        network: Network,
        registers: Mapping[tuple[MeterId, RegisterId], int],
        damaged: set[SealKey],
    ) -> None:
        self._outbox = outbox
        self._root = keys.root
        self._key = keys.seal_key
        self._of = network
        self._registers = registers
        self._damaged = damaged

    def cut(self) -> int:
        """Reserve every register's next day that is over; return how many there were."""
        found = self._again()
        for chain in self._outbox.ready():
            bits = self._registers.get((chain.meter, chain.register))
            if bits is None:
                continue
            self._outbox.forget(chain)
            pending = self._outbox.pending(chain)
            day = next_day(chain, pending, bits, self._of.midnight)
            day = None if day is None else self._tellable(chain, day)
            if day is not None:
                self._reserve(chain, day, bits)
                found += 1
        return found

    def _again(self) -> int:
        """Reserve days whose proof did not hold, each with its next revision."""
        chains = {chain.id: chain for chain in self._outbox.chains()}
        busy = set[int]()
        for kept in self._outbox.failed_days():
            chain = chains[kept.chain]
            bits = self._registers.get((chain.meter, chain.register))
            reasons = self._outbox.tellings(chain, kept.first)
            revision = reasons.count(int(Reason.PROOF))
            if bits is None or chain.id in busy or revision > MAX_REVISION:
                continue
            day = Day(kept.first, kept.step, kept.values, kept.qualities, kept.untold)
            self._reserve(chain, day, bits, revision)
            busy.add(chain.id)
        return len(busy)

    def next_job(self) -> Job | None:
        """Return the oldest day without a proof; None when every one has its own."""
        for stored in self._outbox.unanswered():
            waits = not stored.signed and is_committed(stored.payload)
            if waits and stored.key not in self._damaged:
                job = self._job(stored)
                if job is not None:
                    return job
        return None

    def proved(self, job: Job, proof: bytes) -> None:
        """Sign the day of a job with its proof; nothing when that was done already."""
        for stored in self._outbox.unanswered():
            if stored.key == job.seal and not stored.signed:
                draft = self._draft_of(stored)
                if draft is not None and stored.hash == job.statement.context:
                    self._outbox.sign([(stored, self._signed(stored, draft, proof))])

    def early(self, *, now: int) -> frozenset[SealKey]:
        """Return the seals that may not leave yet, `now` in UTC Unix seconds."""
        return self._outbox.early(now=now)

    def _tellable(self, chain: Chain, day: Day) -> Day | None:
        """Return the day as it can be told: bare, once it was refused as too old.

        What was refused for another reason is not told again: a person must look.
        """
        reasons = self._outbox.tellings(chain, day.first)
        if not reasons:
            return day
        once = reasons == [int(Reason.TIME_WINDOW)]
        return day.bare() if once else None

    def _reserve(self, chain: Chain, day: Day, bits: int, revision: int = 0) -> None:
        network = self._of
        place = Slot(
            *(network.network, chain.meter, chain.register),
            *(day.first, day.step, revision),
        )
        openings = openings_of(place, day.values, self._root.blind_key(chain.meter))
        records = records_of(place, openings, day.qualities)
        header = header_over(_header(network.network, chain, day), records, bits)
        digest = header.digest(network.chain_id)
        parcel = Parcel(
            bytes(proof_bytes(bits, header.count)),
            backup.keep(self._root.store_key, _backed(header), day.values),
            self._masked(header, openings, revision),
        )
        bare = CommittedSeal(header, NOT_SIGNED, records, Envelope(parcel, NOT_SIGNED))
        self._outbox.reserve_day(
            Draft(
                *(chain.id, header.seq, header.first, header.end, header.end),
                *(0, digest, encode_committed(bare)),
            ),
            KeptDay(
                *(chain.id, header.seq, day.first, day.step),
                leaves_at(chain.meter, chain.register, day.end),
                *(day.values, day.qualities, day.untold, digest),
            ),
        )

    def _masked(
        self, header: Header, openings: list[Opening], revision: int
    ) -> Masked | None:
        if not self._of.totals(header.meter):
            return None
        whole = summed_opening(openings)
        seeds = self._root.mask_seeds(header.meter, SEEDS)
        return masked(whole.value, whole.blinding, seeds, day_place(header, revision))

    def _job(self, stored: Stored) -> Job | None:
        """Return what a proof needs; None when values or header are not as reserved."""
        draft, day = self._draft_of(stored), self._outbox.day(stored.key)
        if draft is None or day is None:
            self._damaged.add(stored.key)
            return None
        header = draft.header
        place = Slot(
            *(header.network, header.meter, header.register),
            *(day.first, day.step, draft.revision),
        )
        blind_key = self._root.blind_key(header.meter)
        openings = openings_of(place, day.values, blind_key)
        if records_of(place, openings, day.qualities) != draft.records:
            self._damaged.add(stored.key)
            return None
        return Job(
            stored.key,
            statement_of(stored.hash, header.bits, draft.records),
            tuple(openings),
            fresh_of(self._root),
        )

    def _draft_of(self, stored: Stored) -> CommittedSeal | None:
        try:
            seal = decode_committed(stored.payload, self._of.network)
        except Rejected:
            return None
        return seal if seal.header.digest(self._of.chain_id) == stored.hash else None

    def _signed(self, stored: Stored, draft: CommittedSeal, proof: bytes) -> bytes:
        parcel = replace(draft.envelope.parcel, proof=proof)
        whole = replace(
            draft,
            signature=self._key.sign(stored.hash),
            envelope=Envelope.sign(self._key, stored.hash, parcel),
        )
        return encode_committed(whole)


def _header(network: bytes, chain: Chain, day: Day) -> Header:
    """Return the header of a day that follows, still over nothing."""
    return Header(
        network, chain.meter, chain.register, day.first, day.step, len(day.values),
        chain.reserved + 1, chain.head.hash, bytes(32),
    )  # fmt: skip


def _backed(header: Header) -> backup.Day:
    return backup.Day(
        header.network, header.meter, header.register, header.first, header.step,
        header.seq,
    )  # fmt: skip
