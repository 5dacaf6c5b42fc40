"""Identity's tables: members, tokens by their hash, the operators' trail.

Every function takes the transaction first; whoever opened it commits it. Times are real
Unix seconds. This module must never keep or log a token itself.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.identity.model import (
    MAX_TOKEN_S,
    Act,
    Caller,
    Member,
    MemberId,
    NameTaken,
    NoSuchMember,
    Role,
    TokenInfo,
    TokenRefused,
)
from meterseal_aggregator.storage.database import Transaction

TOKEN_BYTES: Final = 32
"""Random bytes of a token: so many that a plain hash keeps it safe."""
TOKEN_MARK: Final = "ms_"  # noqa: S105 - how our tokens begin, so that scanners find leaks
PREFIX: Final = 10
"""Characters of a token that are shown: enough to tell tokens apart, useless to guess."""
MAX_TOKEN: Final = 128
"""Characters we hash: a longer one is none of ours."""

_IN_FORCE: Final = """
SELECT id FROM tokens WHERE expires_at > ? AND revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to make; `member` with the role member only."""

    role: Role
    label: str
    created_at: int
    expires_at: int
    member: MemberId | None = None


async def add_member(tx: Transaction, name: str, *, now: int) -> MemberId:
    """Add a member; raises NameTaken."""
    try:
        ((row_id,),) = await tx.rows(
            "INSERT INTO members (name, created_at) VALUES (?, ?) RETURNING id",
            (name, now),
        )
    except sqlite3.IntegrityError:
        raise NameTaken(
            f"there is a member named {name!r} already; choose another name"
        ) from None
    return MemberId(row_id)


async def members(tx: Transaction, *, after: int, limit: int) -> list[Member]:
    """Return a page of members with ids above `after`, by id."""
    rows = await tx.rows(
        "SELECT id, name FROM members WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    )
    return [Member(MemberId(row[0]), row[1]) for row in rows]


async def member(tx: Transaction, member_id: int) -> Member:
    """Return one member; raises NoSuchMember."""
    rows = await tx.rows("SELECT id, name FROM members WHERE id = ?", (member_id,))
    if not rows:
        raise NoSuchMember(f"there is no member number {member_id}")
    return Member(MemberId(rows[0][0]), rows[0][1])


async def member_named(tx: Transaction, name: str) -> Member | None:
    """Return the member of that name, if there is one."""
    rows = await tx.rows("SELECT id, name FROM members WHERE name = ?", (name,))
    return Member(MemberId(rows[0][0]), rows[0][1]) if rows else None


async def make_token(tx: Transaction, new: NewToken) -> str:
    """Make a token and return it: the only time it is seen. Raises NoSuchMember."""
    token = TOKEN_MARK + secrets.token_urlsafe(TOKEN_BYTES)
    if new.member is not None:
        await member(tx, new.member)
    await tx.many(
        "INSERT INTO tokens (digest, prefix, role, member_id, label, created_at,"
        " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                _digest(token), token[:PREFIX], new.role.value, new.member, new.label,
                new.created_at, new.expires_at,
            )
        ],
    )  # fmt: skip
    return token


async def grant_token(tx: Transaction, new: NewToken, actor: str) -> str:
    """Make a token for `actor`, with its line in the trail; returns it, once.

    Raises TokenRefused for a role without its member or a life beyond ten years, and
    NoSuchMember.
    """
    if (new.role is Role.MEMBER) != (new.member is not None):
        raise TokenRefused("name a member for the role member, and only then")
    if not 0 < new.expires_at - new.created_at <= MAX_TOKEN_S:
        raise TokenRefused(f"a token lives 1 to {MAX_TOKEN_S // 86_400} days")
    token = await make_token(tx, new)
    what = f"role {new.role}, {token[:PREFIX]}"
    await note(tx, actor, "token", what, now=new.created_at)
    return token


async def caller(tx: Transaction, token: str, *, now: int) -> Caller | None:
    """Return who a token speaks for, or None when it is unknown, expired or revoked."""
    if len(token) > MAX_TOKEN:
        return None
    rows = await tx.rows(
        "SELECT role, member_id, prefix, id FROM tokens"
        " WHERE digest = ? AND expires_at > ? AND revoked_at IS NULL",
        (_digest(token), now),
    )
    if not rows:
        return None
    role, *rest = rows[0]
    return Caller(Role(role), *rest)


async def in_force(tx: Transaction, token_ids: Sequence[int], *, now: int) -> set[int]:
    """Return which of these tokens are neither expired nor revoked."""
    marks = ",".join("?" for _ in token_ids)
    among = f" AND id IN ({marks})"
    rows = await tx.rows(_IN_FORCE + among, (now, *token_ids))
    return {row[0] for row in rows}


async def tokens(tx: Transaction, *, after: int, limit: int) -> list[TokenInfo]:
    """Return a page of tokens, without their secrets, by id."""
    rows = await tx.rows(
        "SELECT id, prefix, role, member_id, label, created_at, expires_at, revoked_at"
        " FROM tokens WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [TokenInfo(row[0], row[1], Role(row[2]), *row[3:]) for row in rows]


async def revoke_token(tx: Transaction, token_id: int, *, now: int) -> bool:
    """End a token now; False when there is none in force of that number."""
    rows = await tx.rows(
        "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
        " RETURNING id",
        (now, token_id),
    )
    return bool(rows)


async def note(tx: Transaction, actor: str, act: str, obj: str, *, now: int) -> None:
    """Write a line of the operators' trail, in the transaction of the act itself."""
    await tx.many(
        "INSERT INTO operator_acts (at, actor, act, object) VALUES (?, ?, ?, ?)",
        [(now, actor, act, obj)],
    )


async def acts(tx: Transaction, *, after: int, limit: int) -> list[Act]:
    """Return a page of the operators' trail, by id."""
    rows = await tx.rows(
        "SELECT id, at, actor, act, object FROM operator_acts WHERE id > ?"
        " ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Act(*row) for row in rows]


def _digest(token: str) -> bytes:
    return hashlib.sha256(
        b"meterseal/token/v1\x00" + token.encode(errors="replace")
    ).digest()
