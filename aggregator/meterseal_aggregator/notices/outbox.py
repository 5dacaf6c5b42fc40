"""The table of notices: a row for each notice and way, waiting until it is settled.

    await put(tx, drafts, now=now)
    for row in await take_due(tx, now=now, limit=16): ...          # counted as a try
    await settle(tx, [Ending(row.id, State.SENT)], now=now)

A try is counted and its successor timed before anything is sent, so a process that dies
sends again and never silently loses. This module must never hold an address or a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from meterseal_aggregator.notices.model import Kind, State, Way
from meterseal_aggregator.notices.pace import pause_s
from meterseal_aggregator.storage.database import Row, Transaction

MAX_ERROR: Final = 200
_DOMAIN: Final = b"meterseal/notice/v1\x00"
_PUT: Final = """
INSERT INTO notices (member_id, way, kind, about, event_id, made_at, state, next_at)
VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?) ON CONFLICT DO NOTHING RETURNING id
"""
_NOTICE: Final = """
SELECT id, member_id, way, kind, about, event_id, made_at, state, attempts, next_at,
  ended_at, error
FROM notices
"""
_DUE: Final = (
    _NOTICE + " WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at, id LIMIT ?"
)
_PAGE: Final = (
    _NOTICE + " WHERE id > ? AND (? IS NULL OR state = ?) ORDER BY id LIMIT ?"
)
_TRIED: Final = "UPDATE notices SET attempts = ?, next_at = ? WHERE id = ?"
_FAILED: Final = "UPDATE notices SET error = ? WHERE id = ?"
_ENDED: Final = """
UPDATE notices SET state = ?, ended_at = ?, error = ? WHERE id = ? AND state = 'waiting'
"""
_AGAIN: Final = """
UPDATE notices SET state = 'waiting', attempts = 0, next_at = ?, ended_at = NULL
WHERE id = ? AND state = 'given-up' RETURNING id
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM notices WHERE state = 'waiting'),
  (SELECT count(*) FROM notices WHERE state = 'given-up'),
  (SELECT min(made_at) FROM notices WHERE state = 'waiting')
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to make: to a member, or to the operator (None); `about` names what of.

    There is one a kind, thing, receiver and way, however often it is put.
    """

    member: int | None
    way: Way
    kind: Kind
    about: str
    at: int
    event: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it stands; times in Unix seconds of the network."""

    id: int
    member: int | None
    way: Way
    kind: Kind
    about: str
    event: int | None
    made_at: int
    state: State
    attempts: int
    next_at: int
    ended_at: int | None
    error: str

    @property
    def letter_id(self) -> str:
        """What a receiver knows it by: 32 hex characters, the same at every try."""
        name = f"{self.id}:{self.kind}:{self.about}:{self.member}:{self.way}"
        return sha256(_DOMAIN + name.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended: a state of its own, or WAITING with the error for another try."""

    id: int
    state: State
    error: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """For the metrics page: how many wait, how many were given up, since when one waits."""

    waiting: int
    given_up: int
    oldest: int | None


async def put(tx: Transaction, drafts: Sequence[Draft]) -> int:
    """Add notices that are not there yet; returns how many."""
    added = 0
    for one in drafts:
        row = (
            one.member, one.way.value, one.kind.value, one.about, one.event, one.at,
            one.at,
        )  # fmt: skip
        added += len(await tx.rows(_PUT, row))
    return added


async def take_due(tx: Transaction, *, now: int, limit: int) -> list[Notice]:
    """Return notices whose turn it is, each counted as tried once more."""
    found = [_notice(row) for row in await tx.rows(_DUE, (now, limit))]
    tries = [
        (one.attempts + 1, now + pause_s(one.attempts + 1, one.id), one.id)
        for one in found
    ]
    await tx.many(_TRIED, tries)
    return found


async def settle(tx: Transaction, endings: Sequence[Ending], *, now: int) -> None:
    """Write down how tries ended."""
    short = [(one, one.error[:MAX_ERROR]) for one in endings]
    waiting = [(text, one.id) for one, text in short if one.state is State.WAITING]
    ended = [
        (one.state.value, now, text, one.id)
        for one, text in short
        if one.state is not State.WAITING
    ]
    await tx.many(_FAILED, waiting)
    await tx.many(_ENDED, ended)


async def again(tx: Transaction, notice_id: int, *, now: int) -> bool:
    """Try a notice that was given up from the beginning; False where it was not."""
    return bool(await tx.rows(_AGAIN, (now, notice_id)))


async def notices(
    tx: Transaction, *, after: int, limit: int, state: State | None = None
) -> list[Notice]:
    """Return a page of notices by id, of one state or of all."""
    wanted = None if state is None else state.value
    rows = await tx.rows(_PAGE, (after, wanted, wanted, limit))
    return [_notice(row) for row in rows]


async def counts(tx: Transaction) -> Counts:
    """Count what waits and what was given up."""
    ((waiting, given_up, oldest),) = await tx.rows(_COUNTS)
    return Counts(waiting, given_up, oldest)


def _notice(row: Row) -> Notice:
    number, member, way, kind, about, event, made_at, state, *rest = row
    return Notice(
        number, member, Way(way), Kind(kind), about, event, made_at, State(state), *rest
    )
