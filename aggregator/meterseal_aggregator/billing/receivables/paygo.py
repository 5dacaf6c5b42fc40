"""OpenPAYGO: a payment becomes a token that unlocks a device for some days.

    made = await unlock(tx, vault, Unlock(device=3, payment=77), by, now=now)

The token is OpenPAYGO's "add time" of 9 digits (15 where only the keys 1 to 4 are there),
made by its library (openpaygo 0.6; github.com/EnAccess/OpenPAYGO). Whole days at the
device's price leave the member's balance for the utility; what is no whole day stays his.
A payment makes one token: asked again, the same is told, so a lost SMS costs nothing. We
keep the counter and never decode, because the library decodes some tokens wrongly (its
issue 24). This module must never make a token that is not paid for.
"""

from dataclasses import dataclass
from typing import Final

# The library has no types; the two calls below are all we ask of it.
from openpaygo import TokenType, generate_token  # type: ignore[import-untyped]
from openpaygo.token_shared import (  # type: ignore[import-untyped]
    OpenPAYGOTokenShared,
)

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.payments import Actor
from meterseal_aggregator.billing.receivables.model import transfer_id
from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.identity import events
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import UTILITY, user
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.model import Asset, Refusal, Transfer
from meterseal_aggregator.storage.database import Row, Transaction

MAX_DAYS: Final = 995
"""The most a token adds (OpenPAYGO's MAX_ACTIVATION_VALUE)."""
MAX_COUNTER: Final = 10_000
"""A token is one hash more than the one before: beyond ten years of one a day, a device's
key is due to be replaced."""
PURPOSE: Final = "paygo"

_DEVICE: Final = """
SELECT id, member_id, serial, starting_code, counter, day_price, asset, four_digits,
  added_at, sealed_key
FROM paygo_devices
"""
_MADE: Final = """
SELECT t.id, t.device_id, t.payment_id, d.member_id, d.serial, t.days, t.amount, d.asset,
  t.counter, t.token, t.at
FROM paygo_tokens t JOIN paygo_devices d ON d.id = t.device_id
"""
_PAYMENT: Final = """
SELECT member_id, direction, amount, asset FROM payments WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to add: its 16-byte key, and the counter of the last token it was given.

    `starting_code` is what it came with; None where it follows from the key, as the
    standard says. `day_price` is in micro-units of `asset`.
    """

    member: int
    serial: str
    key: bytes
    day_price: int
    asset: Asset
    starting_code: int | None = None
    counter: int = 0
    four_digits: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it is known, without its key."""

    id: int
    member: int
    serial: str
    starting_code: int
    counter: int
    day_price: int
    asset: Asset
    four_digits: bool
    added_at: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """A wish to unlock a device with a payment of its member's."""

    device: int
    payment: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was made: so many days, for so much."""

    id: int
    device: int
    payment: int
    member: int
    serial: str
    days: int
    amount: int
    asset: Asset
    counter: int
    token: str
    at: int


async def add(
    tx: Transaction, vault: Vault, new: NewDevice, by: Actor, *, now: int
) -> Device:
    """Add a device; the same again is the same. Raises Refused (CURRENCY, STATE)."""
    if new.asset not in await declared(tx):
        detail = f"the ledger knows no asset {new.asset}: have it declared first"
        raise Refused(Cause.CURRENCY, detail)
    await identity.member(tx, new.member)
    code = new.starting_code
    if code is None:
        code = int(OpenPAYGOTokenShared.generate_starting_code(new.key))
    rows = await tx.rows(f"{_DEVICE} WHERE serial = ?", (new.serial,))
    if rows:
        return _same(rows[0], new, code, vault)
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM paygo_devices")
    row = (
        last + 1, new.member, new.serial, vault.seal(new.serial, new.key), code,
        new.counter, new.day_price, new.asset, new.four_digits, now, by.name,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO paygo_devices (id, member_id, serial, sealed_key, starting_code,"
        " counter, day_price, asset, four_digits, added_at, actor)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    what = f"device {last + 1}"
    await identity.note(tx, by.name, "paygo-device", what, now=by.real_now)
    return (await devices(tx, after=last, limit=1))[0]


async def devices(tx: Transaction, *, after: int, limit: int) -> list[Device]:
    """Return a page of devices, by number."""
    rows = await tx.rows(f"{_DEVICE} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return [_device(row) for row in rows]


async def unlock(
    tx: Transaction, vault: Vault, wish: Unlock, by: Actor, *, now: int
) -> Token:
    """Make the token of a payment, or return the one it made.

    Raises Refused: UNKNOWN, CURRENCY, STATE for a payment that is not its member's, that
    went out or that unlocked another device; FUNDS for less than a day; FROZEN.
    """
    rows = await tx.rows(f"{_DEVICE} WHERE id = ?", (wish.device,))
    if not rows:
        raise Refused(Cause.UNKNOWN, f"there is no device {wish.device}")
    device = _device(rows[0])
    known = await _tokens(tx, "t.payment_id = ?", wish.payment)
    if known:
        if known[0].device != device.id:
            detail = f"payment {wish.payment} unlocked device {known[0].device} already"
            raise Refused(Cause.STATE, detail)
        return known[0]
    days = await _days(tx, device, wish.payment)
    key = vault.open(device.serial, rows[0][9])
    counter, token = _made(device, key, days)
    number = await _keep(tx, device, (wish.payment, days, counter, token), now)
    await _post(tx, device, number, days * device.day_price, now)
    what = f"token {number}"
    await identity.note(tx, by.name, "paygo-token", what, now=by.real_now)
    body = {"serial": device.serial, "days": days, "token": token}
    await events.tell(tx, [events.Told(device.member, "paygo-token", body)], now=now)
    (made,) = await _tokens(tx, "t.id = ?", number)
    return made


async def tokens(
    tx: Transaction, *, member: int, after: int, limit: int
) -> list[Token]:
    """Return a page of a member's tokens, by number."""
    condition = "d.member_id = ? AND t.id > ? ORDER BY t.id LIMIT ?"
    return await _tokens(tx, condition, member, after, limit)


async def _days(tx: Transaction, device: Device, payment: int) -> int:
    """Return the whole days that a payment buys, of what is left on the balance."""
    rows = await tx.rows(_PAYMENT, (payment,))
    if not rows or rows[0][0] != device.member:
        detail = f"there is no payment {payment} of member {device.member}"
        raise Refused(Cause.UNKNOWN, detail)
    _, direction, amount, asset = rows[0]
    if direction != "in":
        raise Refused(Cause.STATE, f"payment {payment} went out: name one that came in")
    if asset != device.asset:
        detail = (
            f"payment {payment} is in {asset}: this device is paid in {device.asset}"
        )
        raise Refused(Cause.CURRENCY, detail)
    if device.counter >= MAX_COUNTER:
        detail = f"device {device.serial} had {MAX_COUNTER} tokens: give it a new key"
        raise Refused(Cause.STATE, detail)
    code = user(device.member)
    found = (await ledger.balances(tx, device.asset, [code])).get(code)
    days: int = min(amount, found.held if found else 0) // device.day_price
    if days < 1:
        detail = f"a day costs {device.day_price} micro-units: pay in more"
        raise Refused(Cause.FUNDS, detail)
    return min(MAX_DAYS, days)


def _made(device: Device, key: bytes, days: int) -> tuple[int, str]:
    """Return the counter that follows, and the token under it."""
    counter, token = generate_token(
        secret_key=key.hex(),
        count=device.counter,
        value=days,
        token_type=TokenType.ADD_TIME,
        starting_code=device.starting_code,
        restricted_digit_set=device.four_digits,
    )
    return int(counter), str(token)


async def _keep(
    tx: Transaction, device: Device, made: tuple[int, int, int, str], now: int
) -> int:
    payment, days, counter, token = made
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM paygo_tokens")
    amount = days * device.day_price
    row = (last + 1, device.id, payment, days, amount, counter, token, now)
    await tx.many(
        "INSERT INTO paygo_tokens (id, device_id, payment_id, days, amount, counter,"
        " token, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    await tx.many(
        "UPDATE paygo_devices SET counter = ? WHERE id = ?", [(counter, device.id)]
    )
    return int(last) + 1


async def _post(
    tx: Transaction, device: Device, number: int, amount: int, now: int
) -> None:
    entry = Transfer(
        id=transfer_id(PURPOSE, number),
        amount=amount,
        debit=user(device.member),
        credit=UTILITY,
        purpose=PURPOSE,
        effective_at=now,
        asset=device.asset,
        reference=device.serial.encode(),
    )
    (result,) = await ledger.post(tx, [entry], now=now)
    if result.refusal is Refusal.FROZEN:
        raise Refused(Cause.FROZEN, "a dispute holds this balance: wait for its end")
    assert result.entered, result


def _same(row: Row, new: NewDevice, code: int, vault: Vault) -> Device:
    """Return a device of a serial if it is the one asked for; raises Refused (STATE)."""
    known = _device(row)
    compared = (
        known.member == new.member,
        known.day_price == new.day_price,
        known.asset == new.asset,
        known.four_digits == new.four_digits,
        known.starting_code == code,
        vault.open(known.serial, row[9]) == new.key,
    )
    if not all(compared):
        detail = f"device {new.serial} is there, with another owner, price or key"
        raise Refused(Cause.STATE, detail)
    return known


async def _tokens(tx: Transaction, condition: str, *params: object) -> list[Token]:
    rows = await tx.rows(f"{_MADE} WHERE {condition}", params)
    found = []
    for row in rows:
        number, device, payment, member, serial, days, amount, asset, *rest = row
        counter, token, at = rest
        found.append(
            Token(
                number, device, payment, member, serial, days, amount, Asset(asset),
                counter, token, at,
            )
        )  # fmt: skip
    return found


def _device(row: Row) -> Device:
    number, member, serial, code, counter, price, asset, four, added_at = row[:9]
    return Device(
        number, member, serial, code, counter, price, Asset(asset), bool(four), added_at
    )
