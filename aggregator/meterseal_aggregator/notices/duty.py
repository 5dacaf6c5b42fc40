"""The duty behind notices: make those that are new, send those that are due, once more.

    done = await run_once(database, Mailroom(outlets, operator, link), now)

Three short transactions: what is new and what is due, each counted as tried; then, with
nobody waiting for the database, the sending; then how it ended. Trying again happens here
and nowhere else. This module must never log whom a letter is for.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from meterseal_aggregator.notices.compose import compose
from meterseal_aggregator.notices.gather import gather
from meterseal_aggregator.notices.model import (
    Address,
    Letter,
    State,
    Undeliverable,
    Way,
)
from meterseal_aggregator.notices.outbox import Ending, Notice, settle, take_due
from meterseal_aggregator.notices.pace import MAX_ATTEMPTS
from meterseal_aggregator.notices.port import Outlet
from meterseal_aggregator.storage.database import Database
from meterseal_proto.errors import Unavailable

BATCH: Final = 16
"""Letters a run, all at once: no mail server or gateway minds so many connections."""
WITHIN_S: Final = 20.0
"""The whole of one letter's sending, and so of a run where nobody answers."""
SILENT_AFTER_S: Final = 26 * 3_600
"""A private register is heard of once a day, at a time of its own."""
NO_OUTLET: Final = "no way out is configured for it"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mailroom:
    """The ways out there are, where operators are reached, what every link begins with."""

    outlets: Mapping[Way, Outlet]
    operator: tuple[Address, ...] = ()
    link: str = ""
    silent_after_s: int = SILENT_AFTER_S


async def run_once(database: Database, mailroom: Mailroom, now: int) -> int:
    """Make and send one batch at network second `now`; returns how much was done.

    It lasts at most WITHIN_S and two transactions: run it once a period, not until there
    is nothing left, or a slow server makes it outlast a duty's lease.
    """
    async with database.transaction() as tx:
        made = await gather(
            tx, mailroom.operator, silent_after_s=mailroom.silent_after_s, now=now
        )
        due = await take_due(tx, now=now, limit=BATCH)
        ready = await compose(tx, due, mailroom.operator, mailroom.link)
    if not ready:
        return made
    found = await asyncio.gather(
        *(_try(mailroom, one, letter) for one, letter in ready), return_exceptions=True
    )
    async with database.transaction() as tx:
        await settle(tx, [one for one in found if isinstance(one, Ending)], now=now)
    for one in found:
        # A fault of ours is its own letter's: what others took is written down before.
        if isinstance(one, BaseException):
            raise one
    return made + len(found)


async def _try(mailroom: Mailroom, one: Notice, letter: Letter | None) -> Ending:
    if letter is None:
        return Ending(one.id, State.MOOT)
    outlet = mailroom.outlets.get(one.way)
    if outlet is None:
        return _given_up(one, NO_OUTLET)
    try:
        async with asyncio.timeout(WITHIN_S):
            await outlet.send(letter)
    except Undeliverable as error:
        return _given_up(one, _bare(error, letter))
    except (Unavailable, TimeoutError) as error:
        why = _bare(error, letter) or f"not taken within {WITHIN_S:g} s"
        if one.attempts + 1 >= MAX_ATTEMPTS:
            return _given_up(one, why)
        return Ending(one.id, State.WAITING, why)
    return Ending(one.id, State.SENT)


def _bare(error: Exception, letter: Letter) -> str:
    """Return an error's words without the address, which servers like to repeat."""
    return str(error).replace(letter.address.to, "...")


def _given_up(one: Notice, why: str) -> Ending:
    # It wakes an operator, who finds the words in the table.
    _log.error(
        "notice_given_up", notice=one.id, way=one.way.value, tries=one.attempts + 1
    )
    return Ending(one.id, State.GIVEN_UP, why)
