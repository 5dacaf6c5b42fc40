"""Records to seals: which to take next, and the same bytes however often one is signed.

`next_cut` is the rule, pure. A seal takes 1 to 100 consecutive records of the
register's step; it ends at a gap and at a change of length, and what is doubtful goes
alone so that a quarantine takes nothing else with it. When the next record does not
start where the chain's head ends, one long record closes the hole first: what flowed
meanwhile is billed, never minted.

`Sealer` is the deed: reserve the number and store the header in one transaction, then
sign, store the bytes, hand them out. It must never sign a header that is not stored,
and never cut a register's next seal before the last one is answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.model import Chain, Draft, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_proto.errors import Rejected
from meterseal_proto.message import MAX_STEP, decode_seal, encode_seal
from meterseal_proto.seal import (
    MAX_RECORDS,
    Head,
    Header,
    OpenRecord,
    Seal,
    record_root,
    record_salt,
)
from meterseal_proto.units import Quality, plausible_wh

NOT_SIGNED: Final = bytes(64)
"""Stands for the signature in a stored draft."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The records of the next seal, `step` seconds each; it speaks for time up to `upto`."""

    records: tuple[OpenRecord, ...]
    step: int
    upto: int


def next_cut(chain: Chain, pending: Sequence[Record]) -> Cut | None:
    """Return what the register's next seal holds, None when there is nothing to seal.

    `pending` are records not sealed yet, oldest first; those that end at or before the
    head are passed over. A hole longer than MAX_STEP yields None: no aggregator takes
    it, and only a new enrolment begins a chain behind it; `health` raises the alarm.

    A long record that was refused is not tried again as it was: the next one takes in
    the next record too, so each record makes at most one attempt.
    """
    records = [record for record in pending if record.end > chain.head.end]
    if not records:
        return None
    first, head = records[0], chain.head
    if first.start > head.end and first.start > chain.tried:
        return _long(head, first.start, first.value - first.delta)
    if first.start == head.end and _follows(head.value, first):
        return _run(chain, records)
    return _long(head, first.end, first.value)


def _long(head: Head, upto: int, value: int) -> Cut | None:
    """One record from the head to `upto`; a register below the head's is a reset."""
    length = upto - head.end
    if length > MAX_STEP:
        return None
    delta = max(0, value - head.value)
    record = OpenRecord(head.end, delta, value, int(Quality.QUESTIONABLE))
    return Cut((record,), length, upto)


def _run(chain: Chain, records: Sequence[Record]) -> Cut | None:
    if records[0].length > MAX_STEP:
        return None
    taken = [records[0]]
    if not (_alone(chain, records[0]) or _is_reset(chain.head.value, records[0])):
        for record in records[1:MAX_RECORDS]:
            last = taken[-1]
            joins = (
                record.start == last.end and record.value == last.value + record.delta
            )
            if not joins or _alone(chain, record):
                break
            taken.append(record)
    cut = tuple(OpenRecord(r.start, r.delta, r.value, int(r.quality)) for r in taken)
    return Cut(cut, taken[0].length, taken[-1].end)


def _follows(value: int, record: Record) -> bool:
    return record.value == value + record.delta or _is_reset(value, record)


def _is_reset(value: int, record: Record) -> bool:
    return record.delta == 0 and record.value < value


def _alone(chain: Chain, record: Record) -> bool:
    """Tell whether a record gets a seal of its own: long, or sure to be doubted."""
    bound = plausible_wh(chain.capacity_w, record.length)
    return record.length != chain.step or record.delta > bound


class Sealer:
    """Cuts, signs and hands out seals; the only one who uses the seal key.

    `network` is the 32-byte network id, `chain_id` the one headers are signed for.
    """

    def __init__(
        self, outbox: Outbox, keys: Keys, *, network: bytes, chain_id: int
    ) -> None:
        self._outbox = outbox
        self._root = keys.root
        self._key = keys.seal_key
        self._network = network
        self._chain_id = chain_id
        self._salt_keys: dict[bytes, bytes] = {}
        self.damaged: set[tuple[int, int]] = set()
        """Reserved seals whose stored bytes no longer have their hash: an alarm."""

    def due(self, *, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        """Return up to `room` signed seals that are not `busy`, oldest first.

        First those waiting for an answer, then newly cut ones. Raises Unavailable when
        the disk fails; whatever was reserved is signed at the next call.
        """
        waiting = self._whole(busy)[:room]
        if len(waiting) < room and self._cut(room - len(waiting)):
            waiting = self._whole(busy)[:room]
        return waiting

    def _whole(self, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        """Return the signed seals that are not busy and still as they were reserved."""
        return [
            seal
            for seal in [*self._signed(), *self._outbox.doubtful()]
            if seal.key not in busy and self._read(seal) is not None
        ]

    def _signed(self) -> list[Stored]:
        """Return every unanswered seal, signing those that are reserved only."""
        seals = self._outbox.unanswered()
        fresh = [
            (seal, payload)
            for seal in seals
            if not seal.signed and (payload := self._sign(seal)) is not None
        ]
        if fresh:
            self._outbox.sign(fresh)
            seals = self._outbox.unanswered()
        return [seal for seal in seals if seal.signed]

    def _cut(self, room: int) -> int:
        drafts: list[Draft] = []
        for chain in self._outbox.ready():
            if len(drafts) == room:
                break
            cut = next_cut(chain, self._outbox.pending(chain))
            if cut is not None:
                drafts.append(self._draft(chain, cut))
            else:
                self._outbox.forget(chain)
        if drafts:
            self._outbox.reserve(drafts)
        return len(drafts)

    def _draft(self, chain: Chain, cut: Cut) -> Draft:
        salts = tuple(
            record_salt(
                self._salt_key(chain.meter),
                *(chain.register, record.start, cut.step, record.revision),
            )
            for record in cut.records
        )
        header = Header(
            network=self._network,
            meter=chain.meter,
            register=chain.register,
            first=cut.records[0].start,
            step=cut.step,
            count=len(cut.records),
            seq=chain.reserved + 1,
            prev=chain.head.hash,
            root=record_root(cut.records, salts),
        )
        return Draft(
            chain=chain.id,
            seq=header.seq,
            first=header.first,
            end=header.end,
            upto=cut.upto,
            value=cut.records[-1].value,
            hash=header.digest(self._chain_id),
            payload=encode_seal(Seal(header, NOT_SIGNED, cut.records, salts)),
        )

    def _sign(self, stored: Stored) -> bytes | None:
        """Return the payload with its signature: a stored header, so always the same."""
        seal = self._read(stored)
        if seal is None:
            return None
        return encode_seal(replace(seal, signature=self._key.sign(stored.hash)))

    def _read(self, stored: Stored) -> Seal | None:
        """Return the stored seal; None when the disk changed it.

        That register then waits for a person, the others go on.
        """
        try:
            seal = decode_seal(stored.payload, self._network)
        except Rejected:
            seal = None
        if seal is None or seal.header.digest(self._chain_id) != stored.hash:
            self.damaged.add(stored.key)
            return None
        return seal

    def _salt_key(self, meter: bytes) -> bytes:
        if meter not in self._salt_keys:
            self._salt_keys[meter] = self._root.salt_key(meter)
        return self._salt_keys[meter]
