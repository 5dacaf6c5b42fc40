"""The ledger's tables: load a book, post, write; a constant number of statements a batch.

A batch is posted in one wait for the database's thread, because a transfer posted alone
costs little more than its waits. Whoever opened the transaction commits it; transfers,
balances and holds change in it together or not at all. This module must never decide
whether a transfer is allowed (`ledger.post` does) and never change a row of
`ledger_transfers`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.ledger.book import AccountKey, Book, Posting
from meterseal_aggregator.ledger.chain import START, entry_hash
from meterseal_aggregator.ledger.model import (
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Floor,
    Freeze,
    Frost,
    HoldState,
    Phase,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.ledger.post import post as post_to_book
from meterseal_aggregator.storage.database import Database, Statements, Transaction

MAX_BATCH: Final = 10_000
"""Most transfers a call: their ids and accounts fit one statement's 30,000 parameters."""
MAX_EXPIRIES: Final = 1_000
"""Holds ended a call of `expire`: a short transaction, and the next call goes on."""

ENTRY: Final = """
SELECT t.seq, t.hash, t.id, t.phase, t.at_most, t.linked, d.asset, d.code, c.code,
  t.amount, t.pending_id, t.timeout_s, t.purpose, t.reference, t.effective_at,
  t.recorded_at, h.state, t.freezes, t.frozen_id, z.frozen, z.thawed_at
FROM ledger_transfers t
JOIN ledger_accounts d ON d.id = t.debit_id
JOIN ledger_accounts c ON c.id = t.credit_id
LEFT JOIN ledger_holds h ON h.transfer_id = t.id
LEFT JOIN ledger_frozen_holds z ON z.hold_id = coalesce(t.frozen_id, t.id)
"""
_ACCOUNT: Final = """
SELECT id, asset, code, floor, debits_pending, debits_posted, credits_pending,
  credits_posted, coalesce(frozen, 0), coalesce(thawed_at, 0)
FROM ledger_accounts LEFT JOIN ledger_frozen_accounts ON account_id = id
"""
# The accounts of a batch and, in rows without a code, the assets of money (id -1) and where
# the next rows go: last account id, last hash, last entry's number. One statement, because
# a transfer posted alone costs little more than its statements.
_PLACES: Final = """{account}WHERE code IN ({marks})
UNION ALL SELECT -1, asset, '', 0, 0, 0, 0, 0, 0, 0 FROM ledger_assets
UNION ALL
SELECT (SELECT coalesce(max(id), 0) FROM ledger_accounts),
  (SELECT hash FROM ledger_transfers ORDER BY seq DESC LIMIT 1), '',
  (SELECT coalesce(max(seq), 0) FROM ledger_transfers), 0, 0, 0, 0, 0, 0
"""
_WRITE_ACCOUNT: Final = """
INSERT INTO ledger_accounts (id, asset, code, floor, debits_pending, debits_posted,
  credits_pending, credits_posted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET debits_pending = excluded.debits_pending,
  debits_posted = excluded.debits_posted, credits_pending = excluded.credits_pending,
  credits_posted = excluded.credits_posted
"""
_WRITE_TRANSFER: Final = """
INSERT INTO ledger_transfers (seq, id, phase, at_most, linked, debit_id, credit_id,
  amount, pending_id, timeout_s, purpose, reference, effective_at, recorded_at, hash,
  freezes, frozen_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_WRITE_HOLD: Final = """
INSERT INTO ledger_holds (transfer_id, state, expires_at) VALUES (?, ?, ?)
"""
_DUE: Final = """
SELECT h.transfer_id FROM ledger_holds h
JOIN ledger_transfers t ON t.id = h.transfer_id
LEFT JOIN ledger_frozen_accounts d ON d.account_id = t.debit_id
LEFT JOIN ledger_frozen_accounts c ON c.account_id = t.credit_id
LEFT JOIN ledger_frozen_holds z ON z.hold_id = t.id
WHERE h.state = 0 AND h.expires_at IS NOT NULL AND h.expires_at <= ?
  AND (t.freezes <> 0 OR (coalesce(d.frozen, 0) = 0 AND coalesce(c.frozen, 0) = 0
    AND coalesce(z.frozen, 0) = 0 AND coalesce(d.thawed_at, -1) < ?
    AND coalesce(c.thawed_at, -1) < ? AND coalesce(z.thawed_at, -1) < ?))
ORDER BY h.expires_at, h.transfer_id LIMIT ?
"""
_END_HOLD: Final = "UPDATE ledger_holds SET state = ? WHERE transfer_id = ?"


async def post(
    tx: Transaction, transfers: Sequence[Transfer], *, now: int
) -> list[Result]:
    """Enter up to MAX_BATCH transfers at Unix second `now`; results in the same order.

    A refused transfer leaves no trace, so its id may be used again. Raises ValueError
    when the batch is too long.
    """
    if not _bounded(transfers):
        return []
    return await tx.run(lambda statements: _post(statements, transfers, now))


async def post_alone(
    database: Database, transfers: Sequence[Transfer], *, now: int
) -> list[Result]:
    """Post a batch in a transaction of its own, committed on return: see `post`.

    For a transfer that nothing else must be written with: it costs one wait.
    """
    if not _bounded(transfers):
        return []
    return await database.at_once(lambda statements: _post(statements, transfers, now))


async def expire(tx: Transaction, *, now: int) -> list[Result]:
    """End up to MAX_EXPIRIES holds whose time is over at `now`; returns their entries.

    A hold that is frozen, or thaws in this second, waits; a freeze itself does not.
    """
    due = await tx.rows(_DUE, (now, now, now, now, MAX_EXPIRIES))
    expiries = [
        Transfer(
            id=expiry_id(TransferId(hold)),
            amount=0,
            phase=Phase.EXPIRE,
            pending_id=TransferId(hold),
            asset=Asset(""),
            effective_at=now,
        )
        for (hold,) in due
    ]
    return await post(tx, expiries, now=now)


def expiry_id(hold: TransferId) -> TransferId:
    """Return the id of the entry that expires a hold: SHA-256 of a label and its id."""
    return TransferId(hashlib.sha256(b"meterseal-ledger-expiry" + hold).digest())


async def balances(
    tx: Transaction, asset: Asset, codes: Iterable[AccountCode]
) -> dict[AccountCode, Account]:
    """Return the open accounts among `codes` (at most MAX_BATCH * 2)."""
    wanted = sorted(set(codes))
    if not wanted:
        return {}
    where = f" WHERE code IN ({_marks(wanted)}) AND asset = ?"
    rows = await tx.rows(_ACCOUNT + where, (*wanted, asset))
    return {account.code: account for account in map(_account, rows)}


async def accounts(
    tx: Transaction, *, after_id: int = 0, limit: int = 1_000
) -> list[tuple[int, Account]]:
    """Return open accounts of every asset with their row ids, oldest first, by pages."""
    rows = await tx.rows(
        f"{_ACCOUNT} WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit)
    )
    return [(row[0], _account(row)) for row in rows]


async def entries_after(
    tx: Transaction, seq: int, *, limit: int = 1_000
) -> list[tuple[int, bytes, Entry]]:
    """Return (seq, hash, entry) after `seq` in order, by pages of `limit`."""
    rows = await tx.rows(
        f"{ENTRY} WHERE t.seq > ? ORDER BY t.seq LIMIT ?", (seq, limit)
    )
    return [(row[0], row[1], entry_of(row)) for row in rows]


async def hold_states(tx: Transaction) -> dict[TransferId, HoldState]:
    """Return the state of every hold there ever was; the audit compares it to a replay."""
    rows = await tx.rows("SELECT transfer_id, state FROM ledger_holds")
    return {TransferId(hold): HoldState(state) for hold, state in rows}


async def frosts(tx: Transaction) -> dict[TransferId, Frost]:
    """Return what freezes, or froze, every hold that ever was frozen."""
    rows = await tx.rows("SELECT hold_id, frozen, thawed_at FROM ledger_frozen_holds")
    return {TransferId(hold): Frost(frozen, at) for hold, frozen, at in rows}


async def head(tx: Transaction) -> tuple[int, bytes]:
    """Return the number of entries and the hash of the last: the ledger's whole state."""
    rows = await tx.rows(
        "SELECT seq, hash FROM ledger_transfers ORDER BY seq DESC LIMIT 1"
    )
    return (rows[0][0], rows[0][1]) if rows else (0, START)


def _bounded(transfers: Sequence[Transfer]) -> int:
    if len(transfers) > MAX_BATCH:
        raise ValueError(f"{len(transfers)} transfers; post at most {MAX_BATCH} a call")
    return len(transfers)


def _post(
    statements: Statements, transfers: Sequence[Transfer], now: int
) -> list[Result]:
    entries, holds, frosts = _known(statements, transfers)
    places, accounts = _open_accounts(statements, transfers, entries.values())
    book = Book(accounts, entries, holds, frosts, frozenset(places.assets))
    posting = post_to_book(book, transfers, now=now)
    if posting.entries:
        _write(statements, posting, places)
    return list(posting.results)


_Known = tuple[
    dict[TransferId, Entry], dict[TransferId, HoldState], dict[TransferId, Frost]
]


def _known(statements: Statements, transfers: Sequence[Transfer]) -> _Known:
    wanted = {t.id for t in transfers} | {t.pending_id for t in transfers}
    wanted.discard(TransferId(b""))
    where = f" WHERE t.id IN ({_marks(wanted)})"
    rows = statements.rows(ENTRY + where, tuple(wanted))
    entries = {TransferId(row[2]): entry_of(row) for row in rows}
    holds = {TransferId(r[2]): HoldState(r[16]) for r in rows if r[16] is not None}
    # A freeze of a hold brings what stands on that hold: ending the one changes the other.
    frosts = {
        TransferId(r[18] or r[2]): Frost(r[19], r[20])
        for r in rows
        if r[19] is not None
    }
    return entries, holds, frosts


@dataclass(slots=True)
class _Places:
    """Assets, row ids of accounts, and the last account, entry and hash written."""

    ids: dict[AccountKey, int]
    assets: set[Asset]
    last_id: int
    seq: int
    hash: bytes

    def id_of(self, key: AccountKey) -> int:
        """Return an account's row id; a new account gets the next."""
        known = self.ids.get(key)
        if known is None:
            self.last_id += 1
            known = self.ids[key] = self.last_id
        return known


def _open_accounts(
    statements: Statements, transfers: Sequence[Transfer], entries: Iterable[Entry]
) -> tuple[_Places, dict[AccountKey, Account]]:
    codes = {t.debit for t in transfers} | {t.credit for t in transfers}
    codes.update(e.transfer.debit for e in entries)
    codes.update(e.transfer.credit for e in entries)
    statement = _PLACES.format(account=_ACCOUNT, marks=_marks(codes))
    places = _Places({}, set(), 0, 0, START)
    accounts: dict[AccountKey, Account] = {}
    for row in statements.rows(statement, tuple(codes)):
        if row[0] == -1:
            places.assets.add(Asset(row[1]))
            continue
        if row[2] == "":
            places.last_id, places.hash, places.seq = row[0], row[1] or START, row[3]
            continue
        key = (row[1], row[2])
        accounts[key] = _account(row)
        places.ids[key] = row[0]
    return places, accounts


def _write(statements: Statements, posting: Posting, places: _Places) -> None:
    statements.many(
        _WRITE_ACCOUNT,
        [_account_row(places.id_of(k), a) for k, a in posting.accounts.items()],
    )
    rows = []
    for entry in posting.entries.values():
        places.seq += 1
        places.hash = entry_hash(places.hash, places.seq, entry)
        rows.append(_entry_row(entry, places))
    statements.many(_WRITE_TRANSFER, rows)
    _write_holds(statements, posting)


def _write_holds(statements: Statements, posting: Posting) -> None:
    fresh = posting.entries
    statements.many(
        _WRITE_HOLD,
        [
            (hold, state, fresh[hold].expires_at)
            for hold, state in posting.holds.items()
            if hold in fresh
        ],
    )
    statements.many(
        _END_HOLD,
        [(state, hold) for hold, state in posting.holds.items() if hold not in fresh],
    )


_FLOORS: Final = tuple(Floor)


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)


# Rows are typed Any by the driver; these two functions give them their types again.
def _account(row: Sequence[Any]) -> Account:
    return Account(
        row[1],
        row[2],
        _FLOORS[row[3]],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """Return the entry in a row of `ENTRY`."""
    transfer = Transfer(
        id=TransferId(row[2]),
        phase=Phase(row[3]),
        at_most=AtMost(row[4]),
        linked=bool(row[5]),
        asset=Asset(row[6]),
        debit=AccountCode(row[7]),
        credit=AccountCode(row[8]),
        amount=row[9],
        pending_id=TransferId(row[10] or row[18] or b""),
        timeout_s=row[11],
        purpose=row[12],
        reference=row[13],
        effective_at=row[14],
        freezes=Freeze(row[17]),
    )
    return Entry(transfer, row[15])


def _account_row(row_id: int, account: Account) -> tuple[object, ...]:
    return (
        row_id,
        account.asset,
        account.code,
        int(account.floor),
        account.debits_pending,
        account.debits_posted,
        account.credits_pending,
        account.credits_posted,
    )


def _entry_row(entry: Entry, places: _Places) -> tuple[object, ...]:
    t = entry.transfer
    return (
        places.seq,
        t.id,
        int(t.phase),
        int(t.at_most),
        int(t.linked),
        places.ids[(t.asset, t.debit)],
        places.ids[(t.asset, t.credit)],
        t.amount,
        None if t.freezes else t.pending_id or None,
        t.timeout_s,
        t.purpose,
        t.reference,
        t.effective_at,
        entry.recorded_at,
        places.hash,
        int(t.freezes),
        t.pending_id if t.freezes is Freeze.HOLD else None,
    )
