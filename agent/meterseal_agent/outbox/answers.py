"""What a receipt does to the outbox: the one place where a seal is let go.

An answer counts only when it names the sequence number and the header hash of a seal
that lies here; anything else is counted and left alone.

    final refusal, durable      the seal is closed and the head moves as Head.after says
    refusal that is not final   the seal waits, its last reason beside it
    durable, or quarantined, after a refusal: what advances the chain wins. A clock was
        wrong, and a copy of the seal was taken after all. The head moves on to it, and
        the seal that was cut meanwhile on the old head can never be taken: it is
        abandoned, its number burnt, and its records wait again
    a proof that did not hold, of a committed day that was receipted: the head stays, and
    the day is told again

This module must never move a head by an answer to a seal it does not hold, nor to one
that does not follow that head.
"""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from meterseal_agent.outbox import days
from meterseal_agent.outbox.model import (
    CHAIN_COLUMNS,
    Applied,
    Chain,
    SealKey,
    read_chain,
)
from meterseal_proto.committed_message import decode_any
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.receipt import Answer, Receipt, Refusal
from meterseal_proto.seal import Header

DURABLE: Final = 0
"""`seals.reason` of a seal that was accepted; a refused one holds its Reason."""
ABANDONED: Final = -1
"""`seals.reason` of a seal whose head moved under it: kept as evidence, never sent."""
_REFUSED: Final = [reason for reason in Reason if reason.final and not reason.advances]


@dataclass(frozen=True, slots=True)
class _Held:
    """A seal that an answer names."""

    seq: int
    value: int
    hash: bytes
    payload: bytes
    answered_at: int | None
    reason: int | None


@dataclass(slots=True)
class _Tally:
    answered: list[SealKey] = field(default_factory=list)
    refused: list[Reason] = field(default_factory=list)
    kept: list[tuple[SealKey, Reason]] = field(default_factory=list)
    abandoned: list[SealKey] = field(default_factory=list)
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
        tuple(tally.kept),
        tuple(tally.abandoned),
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
    header = _header(held, network) if held else None
    if chain is not None and _fails(tx, chain, held, answer):
        tally.kept.append(((chain.id, answer.seq), Reason.PROOF))
        tally.again += 1
        return
    if chain is None or held is None or header is None:
        tally.unknown += 1
        return
    if not _counts(chain, held, header, reason):
        _keep(tx, (chain.id, held.seq), reason, tally)
        tally.again += held.answered_at is not None
        return
    if held.answered_at is not None:
        _abandon(tx, chain, now, tally)
    _close(tx, chain, held, header, reason, now)
    tally.answered.append((chain.id, held.seq))
    tally.refused += [] if reason is None else [reason]


def _fails(
    tx: sqlite3.Connection, chain: Chain, held: _Held | None, answer: Answer | Refusal
) -> bool:
    """Note that the proof of a day that was receipted did not hold, told later on.

    The day's values outlive its seal here, so it can be told again whenever that comes.
    """
    late = held is None or held.answered_at is not None
    proof = isinstance(answer, Refusal) and answer.reason is Reason.PROOF
    return late and proof and days.fail(tx, (chain.id, answer.seq), answer.hash)


def _header(held: _Held, network: bytes) -> Header | None:
    """Return the seal's header; None when the disk changed it: the sealer tells."""
    try:
        return decode_any(held.payload, network).header
    except Rejected:
        return None


def _counts(chain: Chain, held: _Held, header: Header, reason: Reason | None) -> bool:
    """Tell whether an answer closes a seal, or moves the head on to one that was refused."""
    if held.answered_at is None:
        return reason is None or reason.final
    advances = reason is None or reason.advances
    return advances and held.reason in _REFUSED and header.prev == chain.head.hash


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
        "SELECT seq, value, hash, payload, answered_at, reason FROM seals"
        " WHERE chain = ? AND seq = ? AND hash = ?",
        (chain.id, answer.seq, answer.hash),
    ).fetchone()
    return _Held(*row) if row else None


def _keep(
    tx: sqlite3.Connection, key: SealKey, reason: Reason | None, tally: _Tally
) -> None:
    """Note the last reason of a seal that waits; what is closed stays as it is."""
    if reason is None:
        return
    tally.kept.append((key, reason))
    tx.execute(
        "UPDATE seals SET reason = ? WHERE chain = ? AND seq = ? AND answered_at IS NULL",
        (int(reason), *key),
    )


def _abandon(tx: sqlite3.Connection, chain: Chain, now: int, tally: _Tally) -> None:
    """Close the unanswered seal of a chain, if there is one; its records wait again."""
    for (seq,) in tx.execute(
        "UPDATE seals SET answered_at = ?, reason = ?"
        " WHERE chain = ? AND answered_at IS NULL RETURNING seq",
        (now, ABANDONED, chain.id),
    ).fetchall():
        tally.abandoned.append((chain.id, seq))
        tx.execute(
            "UPDATE records SET seq = NULL WHERE chain = ? AND seq = ?", (chain.id, seq)
        )
        days.answered(tx, (chain.id, seq), ABANDONED)


def _close(
    tx: sqlite3.Connection,
    chain: Chain,
    held: _Held,
    header: Header,
    reason: Reason | None,
    now: int,
) -> None:
    """Mark the seal answered and move the chain's head as the protocol says."""
    head = chain.head.after(header, held.hash, held.value, reason)
    moved = head.end != chain.head.end
    told = DURABLE if reason is None else int(reason)
    tx.execute(
        "UPDATE seals SET answered_at = ?, reason = ? WHERE chain = ? AND seq = ?",
        (now, told, chain.id, held.seq),
    )
    days.answered(tx, (chain.id, held.seq), told)
    tx.execute(
        "UPDATE chains SET seq = ?, hash = ?, end_at = ?, value = ?, tried = ?"
        " WHERE id = ?",
        (*(head.seq, head.hash, head.end, head.value),
         *(0 if moved or reason is None else header.end, chain.id)),
    )  # fmt: skip
