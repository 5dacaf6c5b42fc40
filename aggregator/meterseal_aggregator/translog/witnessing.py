"""Ask witnesses to cosign the newest checkpoint, and keep what they say.

    asked = await ask_all(database, [Witness(key, post), ...])

`post` is the wire: it sends a request's body and gives the reply. What a witness cosigned
last we know from what we keep; where it knows better it says so, and is asked once more.
A witness that is down is asked again with a later checkpoint, and nothing is lost. This
module must never keep a cosignature that does not verify, and never pass over a witness
that has seen another history: an older database was restored, or somebody forked the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.httpclient import Answer
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import cosignatures, proofs, store
from meterseal_aggregator.translog.store import SignedHead
from meterseal_proto.cosignature import CosignerKey
from meterseal_proto.errors import Rejected, Unavailable
from meterseal_proto.witness import SIZE_TYPE, AddCheckpoint, parse_answer, parse_size

OK: Final = 200
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422


Post = Callable[[bytes], Awaitable[Answer]]
"""Sends a body to a witness's add-checkpoint; raises Unavailable without an answer."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its pinned key, and the way to it."""

    key: CosignerKey
    post: Post


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a witness did not cosign; `contradicts`: it has seen another history."""

    witness: str
    text: str
    contradicts: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What a round came to: cosignatures `kept`, and troubles."""

    kept: int
    troubles: tuple[Trouble, ...]


class Contradicted(Exception):
    """A witness has seen another history of this log than ours."""


async def ask_all(db: Database, witnesses: Sequence[Witness]) -> Asked:
    """Ask all witnesses at once, for the same checkpoint, those that have not cosigned it."""
    async with db.reading() as tx:
        head = await store.latest(tx)
    if head is None or not head.size:
        return Asked(0, ())
    rounds = (_outcome(db, one, head) for one in witnesses)
    found = await asyncio.gather(*rounds)
    troubles = tuple(one for one in found if isinstance(one, Trouble))
    return Asked(sum(one is True for one in found), troubles)


async def _outcome(db: Database, witness: Witness, head: SignedHead) -> bool | Trouble:
    try:
        return await ask(db, witness, head)
    except Contradicted as other:
        return Trouble(witness.key.name, str(other), contradicts=True)
    except Unavailable as error:
        return Trouble(witness.key.name, str(error), contradicts=False)


async def ask(db: Database, witness: Witness, head: SignedHead) -> bool:
    """Ask one witness to cosign `head`; False when it has. Unavailable or Contradicted."""
    async with db.reading() as tx:
        old = await cosignatures.last_size(tx, witness.key)
    if old >= head.size:
        return False
    answer = await witness.post(await _request(db, old, head))
    told = _size_told(answer)
    if told is not None:
        if told > head.size:
            raise Contradicted(
                f"it cosigned {told} entries and our log has {head.size}:"
                " was an older copy of the database restored?"
            )
        answer = await witness.post(await _request(db, told, head))
    await _keep(db, witness.key, head, answer)
    return True


async def _request(db: Database, old: int, head: SignedHead) -> bytes:
    proof: tuple[bytes, ...] = ()
    if 0 < old < head.size:
        async with db.reading() as tx:
            found = await proofs.consist(tx, old, head.size)
        assert found is not None, "both sizes are of the published log"
        proof = found.proof
    return AddCheckpoint(old, proof, head.note).encode()


def _size_told(answer: Answer) -> int | None:
    """Return the size a witness says it cosigned last, None where it says something else."""
    if answer.status != CONFLICT or answer.media_type != SIZE_TYPE:
        return None
    try:
        return parse_size(answer.body)
    except Rejected as rejected:
        raise Unavailable(f"it answered no size: {rejected.detail}") from None


async def _keep(
    db: Database, key: CosignerKey, head: SignedHead, answer: Answer
) -> None:
    if answer.status in (CONFLICT, UNPROCESSABLE) and _size_told(answer) is None:
        raise Contradicted(
            f"status {answer.status}: it does not find that size {head.size} extends"
            " what it cosigned"
        )
    if answer.status != OK:
        raise Unavailable(f"it answered status {answer.status}")
    try:
        line, _ = parse_answer(answer.body, head.note, key)
    except Rejected as rejected:
        raise Unavailable(f"it did not cosign: {rejected.detail}") from None
    async with db.transaction() as tx:
        await cosignatures.keep(tx, head, key, line)
