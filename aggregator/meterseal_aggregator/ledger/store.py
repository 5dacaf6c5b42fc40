"""The ledger's tables: load a book, post, write; a constant number of statements a batch.

Whoever opened the transaction commits it; transfers, balances and holds change in it
together or not at all. This module must never decide whether a transfer is allowed
(`ledger.post` does) and never change a row of `ledger_transfers`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.ledger.chain import START, entry_hash
from meterseal_aggregator.ledger.model import (
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Floor,
    HoldState,
    Phase,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.ledger.post import AccountKey, Book, Posting
from meterseal_aggregator.ledger.post import post as post_to_book
from meterseal_aggregator.storage.database import Transaction

MAX_BATCH: Final = 10_000
"""Most transfers a call: their ids and accounts fit one statement's 30,000 parameters."""
MAX_EXPIRIES: Final = 1_000
"""Holds ended a call of `expire`: a short transaction, and the next call goes on."""

_ENTRY: Final = """
SELECT t.seq, t.hash, t.id, t.phase, t.at_most, t.linked, d.asset, d.code, c.code,
  t.amount, t.pending_id, t.timeout_s, t.purpose, t.reference, t.effective_at,
  t.recorded_at, h.state
FROM ledger_transfers t
JOIN ledger_accounts d ON d.id = t.debit_id
JOIN ledger_accounts c ON c.id = t.credit_id
LEFT JOIN ledger_holds h ON h.transfer_id = t.id
"""
_ACCOUNT: Final = """
SELECT id, asset, code, floor, debits_pending, debits_posted, credits_pending,
  credits_posted
FROM ledger_accounts
"""
# The accounts of a batch and, in the row without a code, where the next rows go: last
# account id, last hash, last entry's number. One statement, because a transfer posted
# alone costs little more than its statements.
_PLACES: Final = """{account}WHERE code IN ({marks})
UNION ALL
SELECT (SELECT coalesce(max(id), 0) FROM ledger_accounts),
  (SELECT hash FROM ledger_transfers ORDER BY seq DESC LIMIT 1), '',
  (SELECT coalesce(max(seq), 0) FROM ledger_transfers), 0, 0, 0, 0
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
  amount, pending_id, timeout_s, purpose, reference, effective_at, recorded_at, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_WRITE_HOLD: Final = """
INSERT INTO ledger_holds (transfer_id, state, expires_at) VALUES (?, ?, ?)
"""
_END_HOLD: Final = "UPDATE ledger_holds SET state = ? WHERE transfer_id = ?"


async def post(
    tx: Transaction, transfers: Sequence[Transfer], *, now: int
) -> list[Result]:
    """Enter up to MAX_BATCH transfers at Unix second `now`; results in the same order.

    A refused transfer leaves no trace, so its id may be used again. Raises ValueError
    when the batch is too long.
    """
    if len(transfers) > MAX_BATCH:
        raise ValueError(f"{len(transfers)} transfers; post at most {MAX_BATCH} a call")
    if not transfers:
        return []
    entries, holds = await _known(tx, transfers)
    places, accounts = await _open_accounts(tx, transfers, entries.values())
    posting = post_to_book(Book(accounts, entries, holds), transfers, now=now)
    if posting.entries:
        await _write(tx, posting, places)
    return list(posting.results)


async def expire(tx: Transaction, *, now: int) -> list[Result]:
    """End up to MAX_EXPIRIES holds whose time is over at `now`; returns their entries."""
    due = await tx.rows(
        "SELECT transfer_id FROM ledger_holds WHERE state = 0"
        " AND expires_at IS NOT NULL AND expires_at <= ?"
        " ORDER BY expires_at, transfer_id LIMIT ?",
        (now, MAX_EXPIRIES),
    )
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
        f"{_ENTRY} WHERE t.seq > ? ORDER BY t.seq LIMIT ?", (seq, limit)
    )
    return [(row[0], row[1], _entry(row)) for row in rows]


async def hold_states(tx: Transaction) -> dict[TransferId, HoldState]:
    """Return the state of every hold there ever was; the audit compares it to a replay."""
    rows = await tx.rows("SELECT transfer_id, state FROM ledger_holds")
    return {TransferId(hold): HoldState(state) for hold, state in rows}


async def head(tx: Transaction) -> tuple[int, bytes]:
    """Return the number of entries and the hash of the last: the ledger's whole state."""
    rows = await tx.rows(
        "SELECT seq, hash FROM ledger_transfers ORDER BY seq DESC LIMIT 1"
    )
    return (rows[0][0], rows[0][1]) if rows else (0, START)


async def _known(
    tx: Transaction, transfers: Sequence[Transfer]
) -> tuple[dict[TransferId, Entry], dict[TransferId, HoldState]]:
    wanted = {t.id for t in transfers} | {t.pending_id for t in transfers}
    wanted.discard(TransferId(b""))
    where = f" WHERE t.id IN ({_marks(wanted)})"
    rows = await tx.rows(_ENTRY + where, tuple(wanted))
    entries = {TransferId(row[2]): _entry(row) for row in rows}
    holds = {TransferId(r[2]): HoldState(r[16]) for r in rows if r[16] is not None}
    return entries, holds


@dataclass(slots=True)
class _Places:
    """Row ids of accounts, and the last account, entry and hash that are written."""

    ids: dict[AccountKey, int]
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


async def _open_accounts(
    tx: Transaction, transfers: Sequence[Transfer], entries: Iterable[Entry]
) -> tuple[_Places, dict[AccountKey, Account]]:
    codes = {t.debit for t in transfers} | {t.credit for t in transfers}
    codes.update(e.transfer.debit for e in entries)
    codes.update(e.transfer.credit for e in entries)
    statement = _PLACES.format(account=_ACCOUNT, marks=_marks(codes))
    places = _Places({}, 0, 0, START)
    accounts: dict[AccountKey, Account] = {}
    for row in await tx.rows(statement, tuple(codes)):
        if row[2] == "":
            places.last_id, places.hash, places.seq = row[0], row[1] or START, row[3]
            continue
        account = _account(row)
        accounts[(account.asset, account.code)] = account
        places.ids[(account.asset, account.code)] = row[0]
    return places, accounts


async def _write(tx: Transaction, posting: Posting, places: _Places) -> None:
    await tx.many(
        _WRITE_ACCOUNT,
        [_account_row(places.id_of(k), a) for k, a in posting.accounts.items()],
    )
    rows = []
    for entry in posting.entries.values():
        places.seq += 1
        places.hash = entry_hash(places.hash, places.seq, entry)
        rows.append(_entry_row(entry, places))
    await tx.many(_WRITE_TRANSFER, rows)
    await _write_holds(tx, posting)


async def _write_holds(tx: Transaction, posting: Posting) -> None:
    fresh = posting.entries
    await tx.many(
        _WRITE_HOLD,
        [
            (hold, state, fresh[hold].expires_at)
            for hold, state in posting.holds.items()
            if hold in fresh
        ],
    )
    await tx.many(
        _END_HOLD,
        [(state, hold) for hold, state in posting.holds.items() if hold not in fresh],
    )


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)


# Rows are typed Any by the driver; these two functions give them their types again.
def _account(row: Sequence[Any]) -> Account:
    return Account(
        Asset(row[1]),
        AccountCode(row[2]),
        Floor(row[3]),
        row[4],
        row[5],
        row[6],
        row[7],
    )


def _entry(row: Sequence[Any]) -> Entry:
    transfer = Transfer(
        id=TransferId(row[2]),
        phase=Phase(row[3]),
        at_most=AtMost(row[4]),
        linked=bool(row[5]),
        asset=Asset(row[6]),
        debit=AccountCode(row[7]),
        credit=AccountCode(row[8]),
        amount=row[9],
        pending_id=TransferId(row[10] or b""),
        timeout_s=row[11],
        purpose=row[12],
        reference=row[13],
        effective_at=row[14],
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
        t.pending_id or None,
        t.timeout_s,
        t.purpose,
        t.reference,
        t.effective_at,
        entry.recorded_at,
        places.hash,
    )
