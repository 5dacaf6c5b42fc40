"""One-time codes: what each grants, and what was answered to whoever used it.

A code is kept as its hash only. Every function takes the transaction first; whoever opened
it commits it. This module must never tell a code, nor let one be used for two requests.
"""

import hashlib

from meterseal_aggregator.registry.model import (
    CodeGrant,
    CodeKind,
    Refused,
    Trouble,
)
from meterseal_aggregator.registry.store import agent_serves
from meterseal_aggregator.registry.write import insert
from meterseal_aggregator.storage.database import Transaction


def digest_of(code: str) -> bytes:
    """Return what is kept of a one-time code; 100 random bits need no slow hash."""
    return hashlib.sha256(b"meterseal/enrolment-code/v1\x00" + code.encode()).digest()


async def keep(tx: Transaction, code: str, grant: CodeGrant, *, created_at: int) -> int:
    """Keep the hash of a one-time code with what it grants; `grant.code_id` is ignored.

    Raises Refused (AGENT_TAKEN) for an enrolment of an agent that serves meters.
    """
    if grant.kind is CodeKind.ENROLMENT and await agent_serves(tx, grant.agent):
        raise agent_taken(grant.agent)
    sql = (
        "INSERT INTO enrolment_codes (digest, kind, agent, meter_point_id, capacity_w,"
        " created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"
    )
    row = (
        digest_of(code), grant.kind.value, grant.agent, grant.meter_point_id,
        grant.capacity_w, created_at, grant.expires_at,
    )  # fmt: skip
    return await insert(tx, sql, row, "this code exists already; make another")


def agent_taken(agent: str) -> Refused:
    """Return the refusal of a second device under one agent's name."""
    return Refused(
        Trouble.AGENT_TAKEN,
        f"agent {agent!r} serves meters already; choose another name, or ask for a"
        " replacement code if its device is dead",
    )


async def granted(tx: Transaction, text: str) -> CodeGrant | None:
    """Return what a one-time code grants, or None when there is no such code."""
    rows = await tx.rows(
        "SELECT id, kind, agent, meter_point_id, capacity_w, expires_at"
        " FROM enrolment_codes WHERE digest = ?",
        (digest_of(text),),
    )
    if not rows:
        return None
    code_id, kind, *rest = rows[0]
    return CodeGrant(code_id, CodeKind(kind), *rest)


async def answered(tx: Transaction, code_id: int) -> tuple[bytes, str] | None:
    """Return the request digest and the answer a code was used for, or None."""
    rows = await tx.rows(
        "SELECT request_digest, answer FROM enrolments WHERE code_id = ?", (code_id,)
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def keep_answer(
    tx: Transaction, grant: CodeGrant, digest: bytes, answer: str, *, now: int
) -> None:
    """Use a code up: remember the request's digest and the answer it was given."""
    await tx.many(
        "INSERT INTO enrolments (code_id, agent, request_digest, answer, enrolled_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [(grant.code_id, grant.agent, digest, answer, now)],
    )
