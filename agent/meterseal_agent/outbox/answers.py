"""What a receipt does to the outbox: the one place where a seal is let go.

An answer counts only when it names the sequence number and the header hash of a seal
that lies here; anything else is counted and left alone. This module must never move a
head by an answer to a seal it does not hold.
"""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from meterseal_agent.outbox.model import CHAIN_COLUMNS, Applied, Chain, read_chain
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.message import decode_seal
from meterseal_proto.receipt import Answer, Receipt, Refusal

DURABLE: Final = 0
"""`seals.reason` of a seal that was accepted; a refused one holds its Reason."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A seal that an answer names."""

    seq: int
    value: int
    hash: bytes
    payload: bytes
    answered_at: int | None


@dataclass(slots=True)
class _Tally:
    answered: list[tuple[int, int]] = field(default_factory=list)
    refused: list[Reason] = field(default_factory=list)
    kept: int = 0
    unknown: int = 0
    again: int = 0


def apply(
    tx: sqlite3.Connection, network: bytes, receipt: Receipt, now: int
) -> Applied:
    """Apply every answer of a receipt of `network`, `now` in UTC Unix seconds.

    Refusals come first: a seal named in both lists was refused.
    """
    tally = _Tally()
    for refusal in receipt.refused:
        _apply_one(tx, network, refusal, now, tally)
    for answer in receipt.durable:
        _apply_one(tx, network, answer, now, tally)
    return Applied(
        tuple(tally.answered),
        tuple(tally.refused),
        tally.kept,
        tally.unknown,
        tally.again,
    )


def _apply_one(
    tx: sqlite3.Connection,
    network: bytes,
    answer: Answer | Refusal,
    now: int,
    tally: _Tally,
) -> None:
    reason = answer.reason if isinstance(answer, Refusal) else None
    chain = _chain(tx, answer)
    held = _held(tx, chain, answer) if chain else None
    if chain is None or held is None:
        tally.unknown += 1
    elif held.answered_at is not None:
        tally.again += 1
    elif (reason is not None and not reason.final) or not _close(
        tx, chain, held, network, reason, now
    ):
        tally.kept += 1
    else:
        tally.answered.append((chain.id, held.seq))
        tally.refused += [] if reason is None else [reason]


def _chain(tx: sqlite3.Connection, answer: Answer | Refusal) -> Chain | None:
    row = tx.execute(
        f"SELECT {CHAIN_COLUMNS} FROM chains WHERE meter = ? AND register = ?",  # noqa: S608
        (answer.meter, answer.register),
    ).fetchone()
    return read_chain(row) if row else None


def _held(
    tx: sqlite3.Connection, chain: Chain, answer: Answer | Refusal
) -> _Held | None:
    row = tx.execute(
        "SELECT seq, value, hash, payload, answered_at FROM seals"
        " WHERE chain = ? AND seq = ? AND hash = ?",
        (chain.id, answer.seq, answer.hash),
    ).fetchone()
    return _Held(*row) if row else None


def _close(
    tx: sqlite3.Connection,
    chain: Chain,
    held: _Held,
    network: bytes,
    reason: Reason | None,
    now: int,
) -> bool:
    """Mark the seal answered and move the chain's head as the protocol says.

    False, and nothing happened, when the disk changed the seal: the sealer tells.
    """
    try:
        header = decode_seal(held.payload, network).header
    except Rejected:
        return False
    head = chain.head.after(header, held.hash, held.value, reason)
    moved = head.end != chain.head.end
    tx.execute(
        "UPDATE seals SET answered_at = ?, reason = ? WHERE chain = ? AND seq = ?",
        (now, DURABLE if reason is None else int(reason), chain.id, held.seq),
    )
    tx.execute(
        "UPDATE chains SET seq = ?, hash = ?, end_at = ?, value = ?, tried = ?"
        " WHERE id = ?",
        (*(head.seq, head.hash, head.end, head.value),
         *(0 if moved else header.end, chain.id)),
    )  # fmt: skip
    return True
