"""Open records to seals, and the same bytes however often one is signed.

`Sealer` is the deed to the rule in `cut`: reserve the number and store the header in one
transaction, then sign, store the bytes, hand them out. Committed registers' days come
from `committer`; once signed they are handed out here like any other. It must never sign
a header that is not stored, and never cut a register's next seal before the last one is
answered.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.model import Chain, Draft, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.cut import Cut, next_cut
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.committed_message import decode_any, is_committed
from meterseal_proto.errors import Rejected
from meterseal_proto.message import encode_seal
from meterseal_proto.seal import Header, Seal, record_root, record_salt
from meterseal_proto.units import MeterId, RegisterId

NOT_SIGNED: Final = bytes(64)
"""Stands for the signature in a stored draft."""


class Sealer:
    """Cuts and signs open seals, and hands out every seal.

    `network` is the 32-byte network id, `chain_id` the one headers are signed for;
    `committed` names the registers that are not cut here.
    """

    def __init__(
        self,
        outbox: Outbox,
        keys: Keys,
        *,
        network: bytes,
        chain_id: int,
        committed: Collection[tuple[MeterId, RegisterId]] = (),
    ) -> None:
        self._outbox = outbox
        self.committed = committed
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
        """Return every unanswered seal, signing open ones that are reserved only."""
        seals = self._outbox.unanswered()
        fresh = [
            (seal, payload)
            for seal in seals
            if not (seal.signed or is_committed(seal.payload))
            and (payload := self._sign(seal)) is not None
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
            if (chain.meter, chain.register) in self.committed:
                continue
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
        if not isinstance(seal, Seal):
            return None
        return encode_seal(replace(seal, signature=self._key.sign(stored.hash)))

    def _read(self, stored: Stored) -> Seal | CommittedSeal | None:
        """Return the stored seal; None when the disk changed it.

        That register then waits for a person, the others go on.
        """
        try:
            seal = decode_any(stored.payload, self._network)
        except Rejected:
            self.damaged.add(stored.key)
            return None
        if seal.header.digest(self._chain_id) != stored.hash:
            self.damaged.add(stored.key)
            return None
        return seal

    def _salt_key(self, meter: bytes) -> bytes:
        if meter not in self._salt_keys:
            self._salt_keys[meter] = self._root.salt_key(meter)
        return self._salt_keys[meter]
