"""The tables of the outbox: deeds that are wanted, their attempts, where they were seen.

Each function takes the transaction, and whoever opened it commits it. A row is what a rule
needs to decide the same again after a crash. This module must never change the bytes of
an attempt, nor a deed that is settled; triggers of the schema hold it to that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from meterseal_aggregator.stacks.node.port import Block, InBlock
from meterseal_aggregator.stacks.outbox.plan import MAX_IN_FLIGHT, Attempt, Deed
from meterseal_aggregator.stacks.transaction import (
    Condition,
    ContractCall,
    Deploy,
    Kept,
    OneCondition,
    Signed,
    Transfer,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clarity import Value, decode, encode

_WANT: Final = """
INSERT INTO deeds (account, deed, payload, conditions, wanted_at)
VALUES (?, ?, ?, ?, ?) ON CONFLICT (deed) DO NOTHING
"""
_OPEN: Final = """
SELECT d.id, d.deed, d.payload, d.conditions, d.nonce, d.taken_at, r.first_at,
  s.txid, s.height, s.block_id, s.ok
FROM deeds d LEFT JOIN seen s ON s.deed_id = d.id
  LEFT JOIN troubles r ON r.deed_id = d.id AND r.kind = 'refused'
"""
# Those that were held back go behind those that were not, so that they hold up nobody.
_PAGE: Final = f"""{_OPEN}
  LEFT JOIN troubles h ON h.deed_id = d.id AND h.kind = 'held'
WHERE d.account = ? AND d.state IN ('wanted', 'sent')
ORDER BY d.nonce IS NULL, d.nonce, coalesce(h.last_at, 0), d.id LIMIT ?
"""
_ONE: Final = f"{_OPEN} WHERE d.id = ? AND d.state IN ('wanted', 'sent')"
_TRIED: Final = """
SELECT a.deed_id, a.txid, a.fee, a.made_at, a.sent_at, a.cancels
FROM attempts a JOIN deeds d ON d.id = a.deed_id AND d.nonce = a.nonce
WHERE d.state = 'sent'
"""
_ATTEMPTS: Final = f"{_TRIED} AND d.account = ? ORDER BY a.id"
_ATTEMPTS_OF_ONE: Final = f"{_TRIED} AND d.id = ? ORDER BY a.id"
_ATTEMPT: Final = """
INSERT INTO attempts (deed_id, txid, nonce, fee, raw, made_at, cancels)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_GIVEN: Final = """
SELECT DISTINCT a.nonce FROM attempts a JOIN deeds d ON d.id = a.deed_id
WHERE d.account = ? AND a.nonce >= ?
"""
_SEE: Final = """
INSERT INTO seen (deed_id, txid, height, block_id, ok, result) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (deed_id) DO UPDATE SET txid = excluded.txid, height = excluded.height,
  block_id = excluded.block_id, ok = excluded.ok, result = excluded.result
"""
_GONE: Final = """
SELECT a.txid, a.raw FROM deeds d JOIN seen s ON s.deed_id = d.id
  JOIN attempts a ON a.txid = s.txid
WHERE d.account = ? AND d.nonce >= ? AND d.state IN ('confirmed', 'failed')
ORDER BY d.nonce LIMIT ?
"""
_OUTCOME: Final = """
SELECT d.state, s.txid, s.height, s.block_id, s.ok, s.result
FROM deeds d LEFT JOIN seen s ON s.deed_id = d.id WHERE d.deed = ?
"""
PAGE: Final = 2 * MAX_IN_FLIGHT
"""Open deeds looked at in one run: those under way, and as many that wait for a nonce."""


class Another(Exception):
    """A deed of this name is wanted already, and it is another one: a mistake of ours."""


class State(Enum):
    """How far a deed is."""

    WANTED = "wanted"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What `account` (an address) shall do once, under the name `deed`."""

    account: str
    deed: str
    call: ContractCall | Transfer | Deploy
    conditions: Sequence[Condition | OneCondition] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """A deed that is not settled: its name, what it says, and what the rule must know."""

    deed: Deed
    name: str
    payload: Kept
    conditions: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Try:
    """What an attempt is, besides its bytes: its nonce, its price, and whether it cancels."""

    nonce: int
    fee: int
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a deed is; where it was seen and what it answered, once it was."""

    state: State
    block: Block | None
    result: Value | None


async def want(tx: Transaction, wish: Wish, *, now: int) -> None:
    """Write down a wish at Unix second `now`; the same again is no change. Raises Another."""
    payload = wish.call.consensus()
    conditions = json.dumps([one.consensus().hex() for one in wish.conditions])
    row = (wish.account, wish.deed, payload, conditions, now)
    await tx.many(_WANT, [row])
    ((*kept,),) = await tx.rows(
        "SELECT account, payload, conditions FROM deeds WHERE deed = ?", (wish.deed,)
    )
    if kept != [wish.account, payload, conditions]:
        raise Another(f"the deed {wish.deed!r} is wanted already, with other contents")


async def outcome(tx: Transaction, name: str) -> Outcome | None:
    """Give how far a deed is, or None when nobody wants it."""
    rows = await tx.rows(_OUTCOME, (name,))
    if not rows:
        return None
    state, *place, result = rows[0]
    read = None if result is None else decode(result)
    return Outcome(State(state), _block(place), read)


async def unsettled(tx: Transaction, account: str) -> list[Open]:
    """Give the account's open deeds by nonce, then those that have none yet."""
    attempts: dict[int, list[Attempt]] = {}
    for deed_id, *attempt in await tx.rows(_ATTEMPTS, (account,)):
        attempts.setdefault(deed_id, []).append(_attempt(attempt))
    rows = await tx.rows(_PAGE, (account, PAGE))
    return [_open(row, attempts.get(row[0], ())) for row in rows]


async def unchanged(tx: Transaction, one: Open) -> bool:
    """Tell whether a deed is as it was read: another runner may have got hold of it."""
    rows = await tx.rows(_ONE, (one.deed.id,))
    if not rows:
        return False
    tried = await tx.rows(_ATTEMPTS_OF_ONE, (one.deed.id,))
    now = _open(rows[0], [_attempt(row[1:]) for row in tried])
    return _essence(now.deed) == _essence(one.deed)


async def given(tx: Transaction, account: str, nonce: int) -> frozenset[int]:
    """Give the nonces, from `nonce` on, under which the account ever signed a deed."""
    return frozenset(row[0] for row in await tx.rows(_GIVEN, (account, nonce)))


async def attempt(
    tx: Transaction, deed_id: int, signed: Signed, what: Try, *, now: int
) -> None:
    """Write down a signed transaction that is about to be sent, and the deed's nonce."""
    await tx.many(
        "UPDATE deeds SET state = 'sent', nonce = ? WHERE id = ?",
        [(what.nonce, deed_id)],
    )
    row = (deed_id, signed.txid, what.nonce, what.fee, signed.raw, now)
    await tx.many(_ATTEMPT, [(*row, int(what.cancels))])


async def raw(tx: Transaction, txid: str) -> bytes:
    """Give an attempt's bytes."""
    ((found,),) = await tx.rows("SELECT raw FROM attempts WHERE txid = ?", (txid,))
    return bytes(found)


async def sent(tx: Transaction, txid: str, *, now: int) -> None:
    """Note that a node had an attempt's bytes at Unix second `now`."""
    await tx.many("UPDATE attempts SET sent_at = ? WHERE txid = ?", [(now, txid)])


async def see(tx: Transaction, deed_id: int, found: InBlock) -> None:
    """Note the block in which a deed stands; whoever took its nonce was ourselves."""
    block = found.block
    row = (block.txid, block.height, block.block_id, int(block.ok))
    await tx.many(_SEE, [(deed_id, *row, encode(found.result))])
    await tx.many("UPDATE deeds SET taken_at = NULL WHERE id = ?", [(deed_id,)])


async def unsee(tx: Transaction, deed_id: int) -> None:
    """Forget where a deed stood, and that its nonce was taken."""
    await tx.many("DELETE FROM seen WHERE deed_id = ?", [(deed_id,)])
    await tx.many("UPDATE deeds SET taken_at = NULL WHERE id = ?", [(deed_id,)])


async def taken(tx: Transaction, deed_id: int, *, height: int) -> None:
    """Note the height at which a deed's nonce was first found used by nobody we know."""
    await tx.many("UPDATE deeds SET taken_at = ? WHERE id = ?", [(height, deed_id)])


async def renumber(tx: Transaction, deed_id: int) -> None:
    """Take a deed's nonce from it: it is wanted as on its first day."""
    await tx.many(
        "UPDATE deeds SET state = 'wanted', nonce = NULL, taken_at = NULL WHERE id = ?",
        [(deed_id,)],
    )


async def settle(tx: Transaction, deed_id: int, *, ok: bool, now: int) -> None:
    """Note that a deed is done for good, or that its contract refused it for good."""
    state = State.CONFIRMED if ok else State.FAILED
    await tx.many(
        "UPDATE deeds SET state = ?, settled_at = ? WHERE id = ?",
        [(state.value, now, deed_id)],
    )


async def gone(tx: Transaction, account: str, nonce: int) -> list[tuple[str, bytes]]:
    """Give txid and bytes of settled deeds with a nonce that the chain expects again."""
    rows = await tx.rows(_GONE, (account, nonce, MAX_IN_FLIGHT))
    return [(txid, bytes(found)) for txid, found in rows]


def _essence(deed: Deed) -> tuple[object, ...]:
    """Return all that a step is decided by, except when something was last sent."""
    txids = [attempt.txid for attempt in deed.attempts]
    return deed.nonce, txids, deed.seen, deed.taken_at


def _attempt(row: Sequence[Any]) -> Attempt:  # Any: as SQLite gives a row
    txid, fee, made_at, sent_at, cancels = row
    return Attempt(txid, fee, made_at, sent_at, cancels=bool(cancels))


def _open(row: Sequence[Any], attempts: Sequence[Attempt]) -> Open:  # Any: the same
    deed_id, name, payload, conditions, nonce, taken_at, refused_at, *place = row
    known = tuple(attempts)
    deed = Deed(deed_id, nonce, known, _block(place), taken_at, refused_at)
    kept = tuple(Kept(bytes.fromhex(one)) for one in json.loads(conditions))
    return Open(deed, name, Kept(payload), kept)


def _block(place: Sequence[object]) -> Block | None:
    txid, height, block_id, ok = place
    if txid is None:
        return None
    assert isinstance(height, int)
    return Block(str(txid), height, str(block_id), bool(ok))
