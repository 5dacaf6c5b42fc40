"""Erasing a member, in two steps: asked with a code for an answer, then confirmed by it.

    asked, code = await ask(tx, 7, Why.ASKED, by)
    await confirm(tx, 7, code, by)                    # all of it, in this transaction

What goes: his name; addresses and preferences; what he was told; texts of disputes,
certificates and edits about him; his meter documents; his links to accounts on the chain;
telemetry and refused messages of his meters; the salts of every reading and edit of his
time; his tokens end. Then nobody can show that a header in the log is of his usage. What
stays names a number only. Rows of every room are touched here and nowhere
else like this; a room's own triggers let nobody but this transaction do it. This module
must never take what somebody else's proof stands on.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.erasure import store
from meterseal_aggregator.erasure.model import (
    CODE_BYTES,
    CONFIRM_WITHIN_S,
    RETENTION_S,
    Cause,
    Erasure,
    NotErased,
    Why,
    code_digest,
    erased_name,
)
from meterseal_aggregator.erasure.obstacles import obstacles
from meterseal_aggregator.erasure.traces import forget_readings
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import NoSuchMember
from meterseal_aggregator.storage.database import Transaction

_EACH: Final = (
    "UPDATE members SET name = 'erased ' || id WHERE id = ?1",
    "UPDATE tokens SET label = 'erased' WHERE member_id = ?1",
    "UPDATE notices SET event_id = NULL, error = '' WHERE member_id = ?1",
    "DELETE FROM member_events WHERE member_id = ?1",
    "DELETE FROM notice_addresses WHERE member_id = ?1",
    "DELETE FROM notice_languages WHERE member_id = ?1",
    "DELETE FROM meter_documents WHERE member_id = ?1",
    (
        "UPDATE bill_acts SET note = '' WHERE act = 'corrected'"
        " AND bill_id IN (SELECT id FROM bills WHERE member_id = ?1)"
    ),
    "DELETE FROM wallets WHERE member_id = ?1",
    "DELETE FROM wallet_challenges WHERE member_id = ?1",
    "UPDATE disputes SET reason = NULL, evidence = NULL WHERE member_id = ?1",
    (
        "UPDATE dispute_decisions SET reason = NULL, salt = NULL WHERE dispute_id IN ("
        "SELECT id FROM disputes WHERE member_id = ?1)"
    ),
    (
        "UPDATE certification_acts SET reason = 'erased' WHERE reason IS NOT NULL"
        " AND application_id IN (SELECT id FROM certification_applications"
        " WHERE member_id = ?1)"
    ),
)
_REVOKE: Final = """
UPDATE tokens SET revoked_at = ? WHERE member_id = ? AND revoked_at IS NULL
"""
# Where his name is part of a place's name, as of "house of Ada": that goes too.
_PLACES: Final = """
UPDATE meter_points SET name = 'meter point ' || id
WHERE id IN (SELECT meter_point_id FROM tenancies WHERE member_id = ?1)
  AND (instr(lower(name), lower(?2)) > 0 OR NOT EXISTS (
    SELECT 1 FROM tenancies t WHERE t.meter_point_id = meter_points.id
    AND t.member_id <> ?1))
"""
_BILLS: Final = """
UPDATE bills SET salt = NULL WHERE salt IS NOT NULL AND issued_at < ? AND member_id = ?
"""


@dataclass(frozen=True, slots=True)
class By:
    """Who erases, in which network (32 bytes), and when.

    `now` is the network's second, `real` the real one.
    """

    actor: str
    network: bytes
    now: int
    real: int


async def ask(tx: Transaction, member: int, why: Why, by: By) -> tuple[Erasure, str]:
    """Ask to erase a member; returns the code that confirms it, the only time it is seen.

    Raises NotErased: UNKNOWN, DONE, or NOT_FREE with everything that stands against it.
    """
    await _free(tx, member, by)
    code = secrets.token_urlsafe(CODE_BYTES)
    asked = Erasure(
        member, why, by.actor, by.real, by.real + CONFIRM_WITHIN_S, None, None
    )
    await store.keep(tx, asked, code_digest(member, code))
    await identity.note(tx, by.actor, "ask-erasure", f"member {member}", now=by.real)
    return asked, code


async def confirm(tx: Transaction, member: int, code: str, by: By) -> Erasure:
    """Erase a member for whom the code was given; raises NotErased, and nothing is changed."""
    asked = await store.asked(tx, member, code_digest(member, code))
    if asked is None or by.real >= asked.expires_at:
        raise NotErased(
            Cause.CODE, "no such code was given, or its time is over: ask anew"
        )
    await _free(tx, member, by)
    name = (await identity.member(tx, member)).name
    await tx.many("INSERT INTO erasing (member_id) VALUES (?)", [(member,)])
    await tx.many(_REVOKE, [(by.real, member)])
    await _run(tx, _EACH, member)
    await forget_readings(tx, member, by.network)
    await tx.many(_PLACES, [(member, name)])
    await tx.many(_BILLS, [(by.now - RETENTION_S, member)])
    await tx.many("DELETE FROM erasing WHERE member_id = ?", [(member,)])
    await store.done(tx, member, by.actor, now=by.real)
    await identity.note(tx, by.actor, "erase", f"member {member}", now=by.real)
    erased = await store.erasure(tx, member)
    assert erased is not None
    assert (await identity.member(tx, member)).name == erased_name(member)
    return erased


async def _free(tx: Transaction, member: int, by: By) -> None:
    try:
        await identity.member(tx, member)
    except NoSuchMember as error:
        raise NotErased(Cause.UNKNOWN, str(error)) from None
    known = await store.erasure(tx, member)
    if known is not None and known.done_at is not None:
        raise NotErased(Cause.DONE, f"member {member} was erased already")
    against = await obstacles(tx, member, now=by.now)
    if against:
        raise NotErased(Cause.NOT_FREE, "; ".join(against))


async def _run(tx: Transaction, statements: Sequence[str], member: int) -> None:
    for statement in statements:
        await tx.rows(statement, (member,))
