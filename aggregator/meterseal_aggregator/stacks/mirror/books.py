"""The tables of the mirrors: Wh by holder, open trades, what they hold, anchored roots.

    await books.take(tx, told, height=4711, txid=txid)      # each settled event, in order

An event costs a handful of statements, however many holders, trades or anchors there are:
what it touches is loaded into a mirror, `mirror`'s rule is asked, and what it changed is
written. This module must never hold a rule of its own about what an event means.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from meterseal_aggregator.stacks.events.energy import (
    Anchor,
    EnergyClaimed,
    EnergyMinted,
    EnergyMoved,
    EnergyRetired,
    EnergyReversed,
)
from meterseal_aggregator.stacks.events.market import (
    TradeCancelled,
    TradeExpired,
    TradeOpened,
    TradeSettled,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.model import Escrow, Incoherent, Roots, Supply
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.c32 import Principal

MOST: Final = (1 << 63) - 1
"""The largest number a table keeps: 2^63 Wh is more than mankind uses in ten thousand years."""

Energy: TypeAlias = (
    EnergyMinted | EnergyClaimed | EnergyMoved | EnergyRetired | EnergyReversed
)
Trade: TypeAlias = TradeOpened | TradeSettled | TradeCancelled | TradeExpired

_HOLDERS: Final = "SELECT holder, balance, debt FROM mirror_holders"
_HOLD: Final = """
INSERT INTO mirror_holders (holder, balance, debt) VALUES (?, ?, ?)
ON CONFLICT (holder) DO UPDATE SET balance = excluded.balance, debt = excluded.debt
"""
_TOTALS: Final = "SELECT minted, burned, trades FROM mirror_totals"
_TRADES: Final = """
SELECT trade, offer, buyer, seller, asset, quantity, amount FROM mirror_trades
"""
_OPEN: Final = """
INSERT INTO mirror_trades (trade, offer, buyer, seller, asset, quantity, amount)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_HELD: Final = """
INSERT INTO mirror_held (asset, amount) VALUES (?, ?)
ON CONFLICT (asset) DO UPDATE SET amount = excluded.amount
"""
_ANCHOR: Final = """
INSERT INTO mirror_anchors (number, size, root, txid, height) VALUES (?, ?, ?, ?, ?)
"""
_LAST: Final = """
SELECT number, size, root, txid, height FROM mirror_anchors ORDER BY number DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class AnchorPlace:
    """An anchored checkpoint, and the transaction and height that have it."""

    number: int
    size: int
    root: bytes
    txid: str
    height: int


async def take(tx: Transaction, told: Told, *, height: int, txid: str) -> None:
    """Follow a settled event; raises Incoherent for one that cannot follow the ones before."""
    match told:
        case (
            EnergyMinted()
            | EnergyClaimed()
            | EnergyMoved()
            | EnergyRetired()
            | EnergyReversed()
        ):
            await _energy(tx, told)
        case TradeOpened() | TradeSettled() | TradeCancelled() | TradeExpired():
            await _trade(tx, told)
        case Anchor():
            await _anchor(tx, told, txid, height)
        case _:
            pass


async def supply(tx: Transaction) -> Supply:
    """Give the whole mirror of the energy token: for audits, it grows with the holders."""
    minted, burned, _ = await _totals(tx)
    rows = await tx.rows(_HOLDERS)
    balances = {Principal.parse(who): wh for who, wh, _ in rows}
    debts = {Principal.parse(who): owed for who, _, owed in rows}
    return Supply(minted, burned, balances, debts)


async def totals(tx: Transaction) -> Supply:
    """Give what was minted and burned, without the holders."""
    minted, burned, _ = await _totals(tx)
    return Supply(minted, burned)


async def escrow(tx: Transaction) -> Escrow:
    """Give the whole mirror of open trades: for audits."""
    _, _, last = await _totals(tx)
    rows = await tx.rows(_TRADES)
    return Escrow({row[0]: _opened(row) for row in rows}, last)


async def open_trades(tx: Transaction) -> int:
    """Count the open trades."""
    ((count,),) = await tx.rows("SELECT count(*) FROM mirror_trades")
    return int(count)


async def held(tx: Transaction) -> dict[Principal | None, int]:
    """Give what open trades hold by asset, None for STX; assets that once held are there."""
    rows = await tx.rows("SELECT asset, amount FROM mirror_held ORDER BY asset")
    return {_asset(asset): int(amount) for asset, amount in rows}


async def roots(tx: Transaction) -> list[AnchorPlace]:
    """Give every anchored checkpoint in order: for audits."""
    sql = "SELECT number, size, root, txid, height FROM mirror_anchors ORDER BY number"
    return [AnchorPlace(*row) for row in await tx.rows(sql)]


async def last_root(tx: Transaction) -> AnchorPlace | None:
    """Give the newest anchored checkpoint."""
    rows = await tx.rows(_LAST)
    return AnchorPlace(*rows[0]) if rows else None


async def _energy(tx: Transaction, told: Energy) -> None:
    touched = [one.text() for one in _touched(told)]
    marks = ", ".join("?" * len(touched))
    rows = await tx.rows(f"{_HOLDERS} WHERE holder IN ({marks})", touched)
    minted, burned, _ = await _totals(tx)
    balances = {Principal.parse(who): wh for who, wh, _ in rows}
    debts = {Principal.parse(who): owed for who, _, owed in rows}
    mirror = Supply(minted, burned, balances, debts)
    mirror.take(told)
    changed = [
        (who, _small(mirror.balances.get(one, 0)), _small(mirror.debts.get(one, 0)))
        for who, one in zip(touched, _touched(told), strict=True)
    ]
    await tx.many(_HOLD, changed)
    row = (_small(mirror.minted), _small(mirror.burned))
    await tx.many("UPDATE mirror_totals SET minted = ?, burned = ?", [row])


def _touched(told: Energy) -> list[Principal]:
    match told:
        case EnergyMoved():
            return sorted({told.sender, told.recipient}, key=Principal.text)
        case EnergyRetired():
            return [told.holder]
        case _:
            return [told.owner]


async def _trade(tx: Transaction, told: Trade) -> None:
    number = _small(told.trade)
    _, _, last = await _totals(tx)
    rows = await tx.rows(f"{_TRADES} WHERE trade = ?", (number,))
    mirror = Escrow({row[0]: _opened(row) for row in rows}, last)
    before = mirror.trades.get(number)
    mirror.take(told)
    after = mirror.trades.get(number)
    if before is not None:
        await tx.many("DELETE FROM mirror_trades WHERE trade = ?", [(number,)])
        await _hold(tx, before.asset, -before.amount)
    if after is not None:
        await tx.many(_OPEN, [_row(after)])
        await _hold(tx, after.asset, after.amount)
        await tx.many("UPDATE mirror_totals SET trades = ?", [(mirror.last,)])


async def _hold(tx: Transaction, asset: Principal | None, more: int) -> None:
    name = "" if asset is None else asset.text()
    rows = await tx.rows("SELECT amount FROM mirror_held WHERE asset = ?", (name,))
    amount = int(rows[0][0]) if rows else 0
    await tx.many(_HELD, [(name, str(amount + more))])


async def _anchor(tx: Transaction, told: Anchor, txid: str, height: int) -> None:
    last = await last_root(tx)
    mirror = Roots() if last is None else Roots(count=last.number + 1, size=last.size)
    mirror.take(told)
    row = (told.number, _small(told.size), told.root, txid, height)
    await tx.many(_ANCHOR, [row])


async def _totals(tx: Transaction) -> tuple[int, int, int]:
    ((minted, burned, trades),) = await tx.rows(_TOTALS)
    return minted, burned, trades


def _row(one: TradeOpened) -> tuple[int | str | None, ...]:
    asset = None if one.asset is None else one.asset.text()
    people = one.buyer.text(), one.seller.text()
    numbers = str(one.quantity), str(one.amount)
    return (one.trade, str(one.offer), *people, asset, *numbers)


def _opened(row: Row) -> TradeOpened:
    trade, offer, buyer, seller, asset, quantity, amount = row
    people = Principal.parse(buyer), Principal.parse(seller)
    token = None if asset is None else _asset(asset)
    return TradeOpened(trade, int(offer), *people, token, int(quantity), int(amount))


def _asset(name: str) -> Principal | None:
    return Principal.parse(name) if name else None


def _small(number: int) -> int:
    """Hold a number to what a table keeps; raises Incoherent for one that cannot be."""
    if number > MOST:
        raise Incoherent(f"a number of more than {MOST}")
    return number
