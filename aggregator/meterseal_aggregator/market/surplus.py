"""What becomes of export its producer did not sell: he keeps its credits, or feeds it in.

    since = await choose(tx, 7, Choice.FEED_IN, now)
    choice = await choice_at(tx, 7, slot_start)

A choice holds from its second on, so that of a slot is the one in force at its start. This
module must never move energy or money (`settlement` does).
"""

from enum import StrEnum
from typing import Final

from meterseal_aggregator.storage.database import Transaction

_CHOICE: Final = """
SELECT choice, from_at FROM surplus_choices WHERE member_id = ?
"""


class Choice(StrEnum):
    """What a producer wants done with what he did not sell."""

    KEEP = "keep"
    """The credits stay his: to sell later as minted Wh, or to withdraw."""
    FEED_IN = "feed-in"
    """The utility takes them at its feed-in price."""


UNSAID: Final = Choice.KEEP
"""Of who never chose: nothing is sold in his name."""


async def choose(tx: Transaction, member: int, choice: Choice, now: int) -> int:
    """Note a member's choice; returns the Unix second from which it holds.

    That is now, or the second after his last choice. Choosing the same again changes nothing.
    """
    last = await last_choice(tx, member)
    if last is not None and last[0] is choice:
        return last[1]
    since = now if last is None else max(now, last[1] + 1)
    await tx.many(
        "INSERT INTO surplus_choices (member_id, choice, from_at) VALUES (?, ?, ?)",
        [(member, choice.value, since)],
    )
    return since


async def choice_at(tx: Transaction, member: int, at: int) -> Choice:
    """Return what a member had chosen by the Unix second `at`."""
    rows = await tx.rows(
        f"{_CHOICE} AND from_at <= ? ORDER BY from_at DESC LIMIT 1", (member, at)
    )
    return Choice(rows[0][0]) if rows else UNSAID


async def last_choice(tx: Transaction, member: int) -> tuple[Choice, int] | None:
    """Return a member's last choice and the Unix second it holds from; None without one."""
    rows = await tx.rows(f"{_CHOICE} ORDER BY from_at DESC LIMIT 1", (member,))
    return (Choice(rows[0][0]), rows[0][1]) if rows else None
