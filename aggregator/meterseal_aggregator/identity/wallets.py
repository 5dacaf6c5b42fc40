"""Members' accounts on the chain: challenges given out, links made by them, and their ends.

    asked = await issue(tx, who, principal, now)              # the wallet signs it
    wallet = await link(tx, who, Answer(asked.nonce, signature), now)
    await holder(tx, principal)                               # whose it is, or None

A principal is one member's at a time, a member may have several, and what was linked once
stays known with the signature that proves it. Every function takes the transaction first;
whoever opened it commits it. Times are real Unix seconds. This module must never link what
was not signed under a challenge of this member, this network and this time, nor take a
challenge twice.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.c32 import Principal
from meterseal_proto.wallet import LIFETIME_S, NONCE_BYTES, Challenge, Refusal

MAX_OPEN: Final = 8
"""Challenges of a member that wait: a phone, a browser, and some tries."""
MAX_WALLETS: Final = 32
"""Accounts of a member at a time: one a meter and a few more (SETTLED 30)."""


class Cause(StrEnum):
    """Why no challenge is given, or nothing is linked."""

    PRINCIPAL = "not-an-account"
    TOO_MANY = "too-many-challenges"
    UNKNOWN = "no-such-challenge"
    ANSWERED = "challenge-answered"
    EXPIRED = "challenge-expired"
    SIGNATURE = "signature-refused"
    LINKED = "wallet-linked"
    FULL = "too-many-wallets"


class NotLinked(Exception):
    """Identity says no: a `cause` of the closed list and one sentence what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Asker:
    """The member who asks, in which network (32 bytes) and for which chain."""

    member: MemberId
    network: bytes
    chain_id: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A challenge's nonce, 32 bytes, and the wallet's signature under it, 65 bytes."""

    nonce: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Wallet:
    """A member's account; `to_at` None is still."""

    id: int
    member: MemberId
    principal: Principal
    from_at: int
    to_at: int | None


async def issue(
    tx: Transaction, who: Asker, principal: Principal, *, now: int
) -> Challenge:
    """Give out a challenge for `principal`, good for 15 minutes. Raises NotLinked."""
    try:
        made = Challenge(
            who.network, who.member, principal, secrets.token_bytes(NONCE_BYTES),
            now + LIFETIME_S,
        )  # fmt: skip
    except ValueError as error:
        raise NotLinked(Cause.PRINCIPAL, str(error)) from None
    # Where the address is of another chain no signature could ever be taken.
    if made.refusal(b"", who.chain_id, now) is Refusal.CHAIN:
        raise NotLinked(Cause.PRINCIPAL, Refusal.CHAIN.value)
    await tx.rows(
        "DELETE FROM wallet_challenges"
        " WHERE member_id = ? AND answered_at IS NULL AND expires_at < ?",
        (who.member, now),
    )
    ((waiting,),) = await tx.rows(
        "SELECT count(*) FROM wallet_challenges"
        " WHERE member_id = ? AND answered_at IS NULL",
        (who.member,),
    )
    if waiting >= MAX_OPEN:
        raise NotLinked(
            Cause.TOO_MANY,
            f"{MAX_OPEN} challenges wait: answer one of them, or wait 15 minutes",
        )
    await tx.many(
        "INSERT INTO wallet_challenges (nonce, member_id, principal, made_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [(made.nonce, who.member, principal.text(), now, made.expires)],
    )
    return made


async def link(tx: Transaction, who: Asker, answer: Answer, *, now: int) -> Wallet:
    """Link what a challenge of this member was signed for; takes it. Raises NotLinked."""
    asked = await _open(tx, who, answer.nonce)
    match asked.refusal(answer.signature, who.chain_id, now):
        case None:
            pass
        case Refusal.EXPIRED:
            raise NotLinked(Cause.EXPIRED, Refusal.EXPIRED.value)
        case refusal:
            raise NotLinked(Cause.SIGNATURE, refusal.value)
    if len(await current(tx, who.member)) >= MAX_WALLETS:
        raise NotLinked(Cause.FULL, f"you have {MAX_WALLETS} wallets: end one of them")
    await tx.many(
        "UPDATE wallet_challenges SET answered_at = ? WHERE nonce = ?",
        [(now, answer.nonce)],
    )
    return await _keep(tx, asked, answer.signature, now)


async def _open(tx: Transaction, who: Asker, nonce: bytes) -> Challenge:
    """Return the challenge as it was given out; another member's is none of his."""
    rows = await tx.rows(
        "SELECT principal, expires_at, answered_at FROM wallet_challenges"
        " WHERE nonce = ? AND member_id = ?",
        (nonce, who.member),
    )
    if not rows:
        raise NotLinked(Cause.UNKNOWN, "there is no such challenge: ask for a new one")
    principal, expires, answered = rows[0]
    if answered is not None:
        raise NotLinked(
            Cause.ANSWERED, "this challenge was answered before: ask for a new one"
        )
    return Challenge(
        who.network, who.member, Principal.parse(principal), nonce, expires
    )


async def _keep(
    tx: Transaction, asked: Challenge, signature: bytes, now: int
) -> Wallet:
    text = asked.principal.text()
    try:
        ((row_id,),) = await tx.rows(
            "INSERT INTO wallets (member_id, principal, nonce, signature, from_at)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id",
            (asked.member, text, asked.nonce, signature, now),
        )
    except sqlite3.IntegrityError:
        raise NotLinked(
            Cause.LINKED,
            f"{text} is linked already: its member may end that link, then link again",
        ) from None
    return Wallet(row_id, MemberId(asked.member), asked.principal, now, None)


async def end(tx: Transaction, member: MemberId, wallet_id: int, *, now: int) -> bool:
    """End a member's link; False when he has none of that number in force."""
    rows = await tx.rows(
        "UPDATE wallets SET to_at = CASE WHEN from_at > ? THEN from_at ELSE ? END"
        " WHERE id = ? AND member_id = ? AND to_at IS NULL RETURNING id",
        (now, now, wallet_id, member),
    )
    return bool(rows)


async def wallets(
    tx: Transaction, member: MemberId, *, after: int, limit: int
) -> list[Wallet]:
    """Return a page of a member's links, ended ones too, by id."""
    rows = await tx.rows(
        "SELECT id, member_id, principal, from_at, to_at FROM wallets"
        " WHERE member_id = ? AND id > ? ORDER BY id LIMIT ?",
        (member, after, limit),
    )
    return [Wallet(r[0], r[1], Principal.parse(r[2]), r[3], r[4]) for r in rows]


async def current(tx: Transaction, member: MemberId) -> list[Wallet]:
    """Return a member's links in force, at most MAX_WALLETS, oldest first."""
    rows = await tx.rows(
        "SELECT id, member_id, principal, from_at, to_at FROM wallets"
        " WHERE member_id = ? AND to_at IS NULL ORDER BY id LIMIT ?",
        (member, MAX_WALLETS),
    )
    return [Wallet(r[0], r[1], Principal.parse(r[2]), r[3], r[4]) for r in rows]


async def holder(tx: Transaction, principal: Principal) -> MemberId | None:
    """Return whose account it is now, None where nobody linked it."""
    rows = await tx.rows(
        "SELECT member_id FROM wallets WHERE principal = ? AND to_at IS NULL",
        (principal.text(),),
    )
    return MemberId(rows[0][0]) if rows else None
