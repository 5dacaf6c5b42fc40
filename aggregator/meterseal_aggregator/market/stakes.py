"""Money a seller sets aside to answer with: his stake, and when he may have it back.

    move = await stake_in(tx, Wish(7, 5_000_000, "key"), now=now)
    move = await release(tx, Wish(7, 5_000_000, "key-2"), now=now)

A stake pays what a trade's buyer loses by a shortfall, and lifts the seller's limit by one
tier. It is his again once nothing he promised waits to be settled; what later settlement
runs find is then asked of the mutual fund. This module must never take a stake from
anybody (`settlement` does), nor move a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import stake, user
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    Asset,
    Refusal,
    Result,
    Transfer,
)
from meterseal_aggregator.market.model import Cause, Declined, check_same, transfer_id
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.storage.database import Transaction

MAX_TURNOVER: Final = MAX_AMOUNT // 2
"""Micro-units an account may ever have been given by staking to and fro. It counts all that
ever came in: were it full, his trades could not be settled, nor those that come after."""

_MOVE: Final = """
SELECT id, member_id, kind, amount, asset, held, request_key, moved_at FROM stake_moves
"""
_WAITING: Final = """
SELECT start FROM slot_sales
WHERE seller_id = ? AND settled_at IS NULL AND promised_wh > 0
ORDER BY start DESC LIMIT 1
"""


class Kind(StrEnum):
    """Which way money goes."""

    STAKE = "stake"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Wish:
    """A member's wish to stake or take back `amount` micro-units, once a `key`."""

    member: int
    amount: int
    key: str


@dataclass(frozen=True, slots=True)
class Move:
    """What was staked or taken back; `held` is the stake after it."""

    id: int
    member: int
    kind: Kind
    amount: int
    asset: Asset
    held: int
    key: str
    moved_at: int


async def stake_in(tx: Transaction, wish: Wish, *, now: int) -> Move:
    """Set money of the member's aside; raises Declined (KEY_USED, FUNDS, FROZEN)."""
    return await _move(tx, wish, Kind.STAKE, now)


async def release(tx: Transaction, wish: Wish, *, now: int) -> Move:
    """Give a stake back, or part of it; raises Declined.

    STATE while a slot he promised Wh of is not settled; KEY_USED, FUNDS and FROZEN as above.
    """
    return await _move(tx, wish, Kind.RELEASE, now)


async def _move(tx: Transaction, wish: Wish, kind: Kind, now: int) -> Move:
    known = await tx.rows(
        f"{_MOVE} WHERE member_id = ? AND request_key = ?", (wish.member, wish.key)
    )
    if known:
        return _same(_read(known[0]), wish, kind)
    if kind is Kind.RELEASE:
        await _check_settled(tx, wish.member)
    asset = Asset(await text_at(tx, Name.MONEY_ASSET, now))
    await _check_turnover(tx, wish, asset)
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM stake_moves")
    results = await ledger.post(
        tx, [_transfer(last + 1, wish, kind, asset, now)], now=now
    )
    _check(results[0], kind)
    code = stake(wish.member)
    held = (await ledger.balances(tx, asset, [code]))[code].held
    made = Move(last + 1, wish.member, kind, wish.amount, asset, held, wish.key, now)
    await _keep(tx, made)
    return made


async def _check_settled(tx: Transaction, member: int) -> None:
    waiting = await tx.rows(_WAITING, (member,))
    if waiting:
        raise Declined(
            Cause.STATE,
            f"what you promised of the slot at {waiting[0][0]} is not settled: your stake"
            " answers for it until then",
        )


async def _check_turnover(tx: Transaction, wish: Wish, asset: Asset) -> None:
    codes = [user(wish.member), stake(wish.member)]
    found = await ledger.balances(tx, asset, codes)
    most = max((one.credits_posted for one in found.values()), default=0)
    if most > MAX_TURNOVER - wish.amount:
        raise Declined(
            Cause.RESERVE,
            "so much was staked and taken back that the ledger can count little more: ask"
            " the operator",
        )


def _same(known: Move, wish: Wish, kind: Kind) -> Move:
    compared = (("kind", known.kind, kind), ("amount_micro", known.amount, wish.amount))
    check_same(f"{known.kind} {known.id}", compared)
    return known


def _transfer(number: int, wish: Wish, kind: Kind, asset: Asset, now: int) -> Transfer:
    mine, aside = user(wish.member), stake(wish.member)
    into = kind is Kind.STAKE
    return Transfer(
        id=transfer_id("stake", number),
        amount=wish.amount,
        debit=mine if into else aside,
        credit=aside if into else mine,
        purpose=kind.value,
        effective_at=now,
        asset=asset,
        reference=number.to_bytes(8),
    )


def _check(result: Result, kind: Kind) -> None:
    match result.refusal:
        case None:
            return
        case Refusal.EXCEEDS_CREDITS:
            whose = "balance" if kind is Kind.STAKE else "stake"
            raise Declined(Cause.FUNDS, f"your {whose} is less than that: ask for less")
        case Refusal.FROZEN:
            raise Declined(
                Cause.FROZEN, "a dispute is open about your stake: wait for its end"
            )
        case Refusal.OVERFLOW:
            raise Declined(Cause.RESERVE, "the ledger cannot count stakes that large")
        case _:
            raise AssertionError(f"the ledger answers {result} to a stake")


async def _keep(tx: Transaction, made: Move) -> None:
    row = (
        made.id, made.member, made.kind.value, made.amount, made.asset, made.held,
        made.key, made.moved_at,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO stake_moves (id, member_id, kind, amount, asset, held, request_key,"
        " moved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    body = {"id": made.id, "kind": made.kind.value, "stake_micro": made.held}
    told = events.Told(made.member, "stake", body)
    await events.tell(tx, [told], now=made.moved_at)


def _read(row: Sequence[Any]) -> Move:  # rows are typed Any by the driver
    number, member, kind, amount, asset, held, key, at = row
    return Move(number, member, Kind(kind), amount, Asset(asset), held, key, at)
