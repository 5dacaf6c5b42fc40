"""The tables of bills on the chain: what was asked, what the chain told, what nobody explains.

Reads `bills` and `supplies` (billing), `private_bills` (privacy), `registers` and `meters`
(registry); it must never write any but its own. Whoever opened the transaction commits it.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.billing.chain.model import (
    ChainBill,
    ChainTariff,
    OpenWish,
    Quote,
)
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.storage.database import Transaction

_BILL: Final = """
SELECT c.id, c.bill_id, b.member_id, c.private_bill_id, p.register_id, c.meter, c.payer,
  b.from_at, b.to_at, c.usage, c.z, c.a, c.tariff, c.asset, c.asked, c.number, c.due_at,
  c.amount, c.paid, c.reward, c.held
FROM chain_bills c JOIN bills b ON b.id = c.bill_id
JOIN private_bills p ON p.id = c.private_bill_id
"""
_ASK: Final = """
INSERT INTO chain_bills (bill_id, private_bill_id, meter, payer, usage, z, a, tariff, asset,
  asked, asked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ACT: Final = """
INSERT INTO chain_bill_acts (txid, told_index, chain_bill_id, height, act, amount, other,
  price, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_STRAY: Final = """
INSERT INTO chain_bill_strays (height, txid, told_index, what, number, told_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (txid, told_index) DO NOTHING
"""
_TARIFF: Final = """
SELECT hash, tariff, document, provider, due, from_at, posted FROM chain_tariffs
"""
_ADD_TARIFF: Final = """
INSERT INTO chain_tariffs (hash, tariff, document, provider, due, from_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING
"""
_UNPOSTED: Final = """
SELECT b.id, b.hash FROM bills b
LEFT JOIN chain_hashes h ON h.bill_id = b.id
WHERE b.rail = 'stacks' AND h.bill_id IS NULL AND b.id > ? ORDER BY b.id LIMIT ?
"""
_TRY: Final = """
INSERT INTO chain_tries (name, tries, last_at) VALUES (?, 1, ?)
ON CONFLICT (name) DO UPDATE SET tries = tries + 1, last_at = excluded.last_at
"""
_DAY: Final = """
INSERT INTO chain_days (register_id, first, hash, counts_from) VALUES (?, ?, ?, ?)
ON CONFLICT (register_id, first) DO UPDATE SET hash = excluded.hash,
  counts_from = excluded.counts_from
"""
_LET: Final = """
INSERT INTO chain_lets (meter, until) VALUES (?, ?)
ON CONFLICT (meter) DO UPDATE SET until = excluded.until
"""
_QUOTE: Final = """
INSERT INTO chain_quotes (chain_bill_id, asset, price, covers, expires)
VALUES (?, ?, ?, ?, ?) ON CONFLICT (chain_bill_id, asset) DO UPDATE SET
  price = excluded.price, covers = excluded.covers, expires = excluded.expires
"""
_BALANCE: Final = """
INSERT INTO utility_balances (holder, amount) VALUES (?, ?)
ON CONFLICT (holder) DO UPDATE SET amount = excluded.amount
"""
_REGISTER: Final = """
SELECT r.id FROM registers r JOIN meters m ON m.id = r.meter_id
WHERE m.meter = ? AND r.register = ? AND r.mode = 1
"""


async def ask(
    tx: Transaction, wish: OpenWish, of: tuple[int, int, bytes, bytes, Asset, int],
    *, now: int,
) -> None:  # fmt: skip
    """Keep what a member opened; `of` is bill, private bill, meter, tariff, asset, asked."""
    bill, private, meter, tariff, asset, asked = of
    row = (
        bill, private, meter, wish.payer.text(), wish.usage, wish.z, wish.a, tariff,
        asset, asked, now,
    )  # fmt: skip
    await tx.many(_ASK, [row])


async def of_bill(tx: Transaction, bill: int) -> ChainBill | None:
    """Return what was asked for a bill (its row id)."""
    return _first(await tx.rows(f"{_BILL} WHERE c.bill_id = ?", (bill,)))


async def numbered(tx: Transaction, number: int) -> ChainBill | None:
    """Return the bill that the contract has under this number."""
    return _first(await tx.rows(f"{_BILL} WHERE c.number = ?", (number,)))


async def waiting(tx: Transaction, after: int, limit: int) -> list[ChainBill]:
    """Return bills in force that the contract has not told of yet, by id above `after`."""
    where = """ JOIN bill_standings s ON s.bill_id = c.bill_id AND s.state <> 'corrected'
      WHERE c.number IS NULL AND c.id > ? ORDER BY c.id LIMIT ?"""
    return [_bill(row) for row in await tx.rows(_BILL + where, (after, limit))]


async def waiting_for(
    tx: Transaction, meter: bytes, begin: int, end: int
) -> ChainBill | None:
    """Return the bill of this meter and period that waits to be told of."""
    where = """ WHERE c.number IS NULL AND c.meter = ? AND b.from_at = ? AND b.to_at = ?
      ORDER BY c.id LIMIT 1"""
    return _first(await tx.rows(_BILL + where, (meter, begin, end)))


async def refundable(tx: Transaction, limit: int) -> list[ChainBill]:
    """Return bills of which more was paid than they ask."""
    where = " WHERE c.paid > c.amount ORDER BY c.id LIMIT ?"
    return [_bill(row) for row in await tx.rows(_BILL + where, (limit,))]


async def newest(tx: Transaction, limit: int) -> list[ChainBill]:
    """Return the newest bills that the contract told of."""
    where = " WHERE c.number IS NOT NULL ORDER BY c.id DESC LIMIT ?"
    return [_bill(row) for row in await tx.rows(_BILL + where, (limit,))]


async def of_member(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[ChainBill]:
    """Return a page of a member's bills on the chain, by id."""
    where = " WHERE b.member_id = ? AND c.id > ? ORDER BY c.id LIMIT ?"
    return [_bill(row) for row in await tx.rows(_BILL + where, (member, after, limit))]


async def stand(tx: Transaction, bill: ChainBill) -> None:
    """Write how a bill stands on the chain."""
    row = (
        bill.number, bill.due_at, bill.amount, bill.paid, bill.reward, int(bill.held),
        bill.id,
    )  # fmt: skip
    await tx.many(
        "UPDATE chain_bills SET number = ?, due_at = ?, amount = ?, paid = ?, reward = ?,"
        " held = ? WHERE id = ?",
        [row],
    )


async def act(
    tx: Transaction, bill: ChainBill, at: Settled, what: tuple[str, int],
    *, now: int, quote: tuple[Asset, int] | None = None,
) -> None:  # fmt: skip
    """Keep what was told of a bill (`what`: act, amount), with a quote's asset and price."""
    other, price = quote or (None, None)
    row = (at.txid, at.index, bill.id, at.height, *what, other, price, now)
    await tx.many(_ACT, [row])


async def stray(tx: Transaction, at: Settled, what: str, number: int, now: int) -> None:
    """Keep what nothing explains; again is no change. Text: a stranger's number has 128 bits."""
    await tx.many(_STRAY, [(at.height, at.txid, at.index, what, str(number), now)])


async def is_strange(tx: Transaction, number: int) -> bool:
    """Tell whether a bill under our name is one that we never asked for."""
    rows = await tx.rows(
        "SELECT 1 FROM chain_bill_strays WHERE number = ? AND what = 'bill-issued'"
        " LIMIT 1",
        (str(number),),
    )
    return bool(rows)


async def unposted(tx: Transaction, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return bills of the rail whose hash does not stand on the chain: row id and hash."""
    return [(row[0], row[1]) for row in await tx.rows(_UNPOSTED, (after, limit))]


async def bill_hashed(tx: Transaction, digest: bytes) -> int | None:
    """Return the bill of the rail that has this salted hash."""
    rows = await tx.rows(
        "SELECT id FROM bills WHERE hash = ? AND rail = 'stacks'", (digest,)
    )
    return int(rows[0][0]) if rows else None


async def hash_stands(tx: Transaction, bill: int, at: Settled) -> bool:
    """Keep where a bill's hash stands; False where it stood before."""
    made = await tx.rows(
        "INSERT INTO chain_hashes (bill_id, txid, height) VALUES (?, ?, ?)"
        " ON CONFLICT (bill_id) DO NOTHING RETURNING bill_id",
        (bill, at.txid, at.height),
    )
    return bool(made)


async def newest_hashes(tx: Transaction, limit: int) -> list[bytes]:
    """Return the salted hashes (32 bytes) of bills that were told of last."""
    rows = await tx.rows(
        "SELECT b.hash FROM chain_hashes h JOIN bills b ON b.id = h.bill_id"
        " ORDER BY h.height DESC, b.id DESC LIMIT ?",
        (limit,),
    )
    return [row[0] for row in rows]


async def providers(tx: Transaction) -> list[str]:
    """Return under which accounts tariffs were ever posted here."""
    rows = await tx.rows(
        "SELECT DISTINCT provider FROM chain_tariffs ORDER BY provider"
    )
    return [row[0] for row in rows]


async def add_tariff(tx: Transaction, one: ChainTariff) -> None:
    """Keep a tariff as the contract shall know it; the same again is no change."""
    row = (one.hash, one.tariff, one.document, one.provider, one.due, one.begin)
    await tx.many(_ADD_TARIFF, [row])


async def tariff_named(tx: Transaction, digest: bytes) -> ChainTariff | None:
    """Return a tariff by the contract's name of it."""
    rows = await tx.rows(f"{_TARIFF} WHERE hash = ?", (digest,))
    return _tariff(rows[0]) if rows else None


async def tariffs_of(tx: Transaction, tariff: bytes) -> list[ChainTariff]:
    """Return how the contract knows a tariff in full, by when each begins."""
    rows = await tx.rows(f"{_TARIFF} WHERE tariff = ? ORDER BY from_at", (tariff,))
    return [_tariff(row) for row in rows]


async def unposted_tariffs(
    tx: Transaction, real_now: int, limit: int
) -> list[ChainTariff]:
    """Return tariffs that the chain did not tell of yet and would still take."""
    where = " WHERE posted = 0 AND from_at > ? ORDER BY hash LIMIT ?"
    rows = await tx.rows(_TARIFF + where, (real_now, limit))
    return [_tariff(row) for row in rows]


async def tariff_stands(tx: Transaction, digest: bytes) -> None:
    """Note that the chain told of a tariff."""
    await tx.many("UPDATE chain_tariffs SET posted = 1 WHERE hash = ?", [(digest,)])


async def tried(tx: Transaction, name: str) -> tuple[int, int]:
    """Return how often a deed was refused, and when last."""
    rows = await tx.rows(
        "SELECT tries, last_at FROM chain_tries WHERE name = ?", (name,)
    )
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def try_again(tx: Transaction, name: str, *, now: int) -> None:
    """Note that a deed was refused once more."""
    await tx.many(_TRY, [(name, now)])


async def register_named(tx: Transaction, meter: bytes, register: int) -> int | None:
    """Return our committed register of these names; None for a meter that is not ours."""
    rows = await tx.rows(_REGISTER, (meter, register))
    return int(rows[0][0]) if rows else None


async def day_stands(tx: Transaction, row: tuple[int, int, bytes, int]) -> None:
    """Keep a committed day as meter-data has it: register, first, hash, counts from."""
    await tx.many(_DAY, [row])


async def days_there(
    tx: Transaction, register: int, begin: int, end: int
) -> dict[bytes, int]:
    """Return from when each committed day of a span counts on the chain, by header hash."""
    rows = await tx.rows(
        "SELECT hash, counts_from FROM chain_days"
        " WHERE register_id = ? AND first >= ? AND first < ?",
        (register, begin, end),
    )
    return {row[0]: row[1] for row in rows}


async def let(tx: Transaction, meter: bytes, until: int) -> None:
    """Keep until when a meter's owner lets us open its usage."""
    await tx.many(_LET, [(meter, until)])


async def let_until(tx: Transaction, meter: bytes) -> int:
    """Return that real second; 0 where he never did."""
    rows = await tx.rows("SELECT until FROM chain_lets WHERE meter = ?", (meter,))
    return int(rows[0][0]) if rows else 0


async def quote(tx: Transaction, bill: int, given: Quote) -> None:
    """Keep the last quote of an asset for a bill."""
    row = (bill, given.asset, given.price, given.covers, given.expires)
    await tx.many(_QUOTE, [row])


async def quotes(tx: Transaction, bill: int) -> list[Quote]:
    """Return the last quotes for a bill, by asset."""
    rows = await tx.rows(
        "SELECT asset, price, covers, expires FROM chain_quotes"
        " WHERE chain_bill_id = ? ORDER BY asset",
        (bill,),
    )
    return [Quote(Asset(row[0]), *row[1:]) for row in rows]


async def tokens_of(tx: Transaction, holder: str) -> int:
    """Return a holder's utility tokens in millionths, as settled events add up."""
    rows = await tx.rows(
        "SELECT amount FROM utility_balances WHERE holder = ?", (holder,)
    )
    return int(rows[0][0]) if rows else 0


async def holders(tx: Transaction, limit: int) -> dict[str, int]:
    """Return millionths of utility tokens by holder, in the order of their addresses."""
    rows = await tx.rows(
        "SELECT holder, amount FROM utility_balances ORDER BY holder LIMIT ?", (limit,)
    )
    return dict(rows)


async def hold_tokens(tx: Transaction, holder: str, amount: int) -> None:
    """Write a holder's utility tokens."""
    await tx.many(_BALANCE, [(holder, amount)])


# Rows are typed Any by the driver; these functions give them their types again.
def _bill(row: Sequence[Any]) -> ChainBill:
    fields = list(row)
    fields[13], fields[20] = Asset(row[13]), bool(row[20])
    return ChainBill(*fields)


def _tariff(row: Sequence[Any]) -> ChainTariff:
    digest, tariff, document, provider, due, begin, posted = row
    return ChainTariff(digest, tariff, document, provider, due, begin, bool(posted))


def _first(rows: Sequence[Sequence[Any]]) -> ChainBill | None:
    return _bill(rows[0]) if rows else None
