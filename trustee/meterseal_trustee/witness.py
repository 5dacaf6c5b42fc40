"""The trustee as a witness: it says that a log grew and never forked, as far as it saw.

    witness = Witness(cosigner, database, now)
    line = await witness.add(request)         # C2SP tlog-witness, add-checkpoint

Reading what was cosigned last, comparing and writing the new head is one transaction,
durable before the cosignature is made: two requests at once, a power cut or a restart
never let it go back, nor cosign two histories. What a log signed and we could not cosign
is kept, for it may be proof against that log. This module must never cosign what it has
not written down.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.checkpoint import (
    Checkpoint,
    NoteKey,
    Signature,
    parse_body,
    parse_note,
)
from meterseal_proto.cosignature import CosignerKey, cosign
from meterseal_proto.errors import Rejected
from meterseal_proto.merkle import EMPTY_ROOT, verify_consistency
from meterseal_proto.witness import AddCheckpoint
from meterseal_trustee import store
from meterseal_trustee.database import Database, Transaction
from meterseal_trustee.model import Witnessed

MAX_CONTRADICTIONS: Final = 32
"""Kept of a log: one is proof enough, and a log may sign as many as it likes."""
MAX_UNPROVED: Final = 16
"""Of them by a proof that did not hold: those must leave room for what proves a fork."""
_log = structlog.get_logger(__name__)


class Doubt(StrEnum):
    """Why a checkpoint is not cosigned; the order is that in which the checks run."""

    BAD_REQUEST = "bad-request"
    UNKNOWN_LOG = "unknown-log"
    NOT_SIGNED = "not-signed"
    OTHER_SIZE = "other-size"
    OTHER_ROOT = "other-root"
    BAD_PROOF = "bad-proof"


class NotCosigned(Exception):
    """We do not cosign this; with OTHER_SIZE, `size` is what we cosigned last."""

    def __init__(self, doubt: Doubt, detail: str, size: int = 0) -> None:
        super().__init__(detail)
        self.doubt = doubt
        self.detail = detail
        self.size = size


@dataclass(frozen=True, slots=True)
class Cosigner:
    """Who cosigns whom: our name, our key apart from all others, and the log we follow."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    log: NoteKey | None

    @property
    def public(self) -> CosignerKey:
        """What others pin."""
        return CosignerKey(self.name, self.key.public_key().public_bytes_raw())


class Witness:
    """One open witness, over the trustee's database."""

    def __init__(
        self, cosigner: Cosigner, database: Database, now: Callable[[], float]
    ) -> None:
        self.cosigner = cosigner
        self.database = database
        self._now = now

    async def add(self, request: AddCheckpoint) -> Signature:
        """Return our cosignature on a checkpoint that extends the last; else NotCosigned."""
        head, body = opened(request, self.cosigner.log)
        if request.old > head.size:
            text = "the old size is above that of the checkpoint"
            raise NotCosigned(Doubt.BAD_REQUEST, text)
        async with self.database.transaction() as tx:
            last = await store.witnessed(tx, head.origin)
            doubt = compare(last, head, request)
            at = max(int(self._now()), last.at if last else 1)
            new = Witnessed(head.origin, head.size, head.root, request.note, at)
            if doubt is None:
                await store.witness(tx, new)
            elif last and doubt.doubt is Doubt.OTHER_ROOT:
                await _keep_contradiction(tx, last, new, MAX_CONTRADICTIONS)
            elif last and doubt.doubt is Doubt.BAD_PROOF:
                await _keep_contradiction(tx, last, new, MAX_UNPROVED)
        if doubt is not None:
            raise doubt
        return cosign(body, self.cosigner.name, self.cosigner.key, at)


def opened(request: AddCheckpoint, log: NoteKey | None) -> tuple[Checkpoint, str]:
    """Return the checkpoint of a request and its text, once its log has signed it."""
    try:
        note = parse_note(request.note)
        head = parse_body(note.body)
    except Rejected as error:
        raise NotCosigned(Doubt.BAD_REQUEST, error.detail) from None
    if log is None or head.origin != log.name:
        raise NotCosigned(Doubt.UNKNOWN_LOG, "we do not follow a log of that origin")
    try:
        note.check(log)
    except Rejected as error:
        raise NotCosigned(Doubt.NOT_SIGNED, error.detail) from None
    return head, note.body


def compare(
    last: Witnessed | None, head: Checkpoint, request: AddCheckpoint
) -> NotCosigned | None:
    """Return why a signed checkpoint may not follow the last one, None where it may."""
    size, root = (last.size, last.root) if last else (0, EMPTY_ROOT)
    if request.old != size:
        return NotCosigned(Doubt.OTHER_SIZE, f"we cosigned size {size} last", size)
    if head.size == size and head.root != root:
        text = f"at size {size} we know another root: this log shows two histories"
        return NotCosigned(Doubt.OTHER_ROOT, text)
    if not verify_consistency(size, head.size, root, head.root, request.proof):
        text = f"the proof does not show that the log extends what it was at {size}"
        return NotCosigned(Doubt.BAD_PROOF, text)
    return None


async def _keep_contradiction(
    tx: Transaction, last: Witnessed, new: Witnessed, at_most: int
) -> None:
    _log.error("log_not_consistent", origin=new.origin, had=last.size, shown=new.size)
    if await store.contradictions_of(tx, new.origin) < at_most:
        await store.add_contradiction(tx, last, new)
