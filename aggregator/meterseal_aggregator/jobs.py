"""Background duties: a lease in the database, and a loop that is patient with failure.

Every duty runs through `tend`: one runner at a time by lease, again each period, an
exception logged and counted and tried later with back-off, a cancel obeyed at once.
Time and chance are arguments. This module must never know what a duty does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from meterseal_aggregator.storage.database import Database, Transaction

LEASE_S: Final = 60
"""A lease lives this long past its last renewal: a dead runner is replaced in a minute.
A run must be shorter; a duty therefore works in bounded batches."""
MAX_BACKOFF_S: Final = 60.0
"""Longest pause after failures: an operator who mends the cause sees it within a minute."""
JITTER: Final = 0.2
"""Pauses vary by a fifth, so that many runners do not knock at the same moment."""

_TAKE: Final = """
INSERT INTO job_leases (name, owner, until, turn) VALUES (?, ?, ?, 1)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
  turn = job_leases.turn + (job_leases.owner <> excluded.owner)
WHERE job_leases.owner = excluded.owner OR job_leases.until <= ?
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """A deed to do again and again: `run` returns how many things it did this time."""

    name: str
    period_s: float
    run: Callable[[], Awaitable[int]]


@dataclass(slots=True)
class Tally:
    """What became of a duty's runs; the metrics page reads it."""

    runs: int = 0
    done: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    last_error: str = ""
    last_success_at: float | None = None


@dataclass(frozen=True, slots=True)
class Runner:
    """Who tends duties, and its sources of time and chance.

    `owner` names this process alone (1-64 characters); `now` gives real Unix seconds
    (never a demo's hurried ones: a lease must outlast a real run), `pause` sleeps real
    seconds, `chance` gives a float in [0, 1).
    """

    database: Database
    owner: str
    now: Callable[[], float]
    chance: Callable[[], float]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    tallies: dict[str, Tally] = field(default_factory=dict)


async def take_lease(tx: Transaction, name: str, *, owner: str, now: int) -> bool:
    """Take or renew the lease on `name` until `now` + LEASE_S; False if another has it."""
    await tx.many(_TAKE, [(name, owner, now + LEASE_S, now)])
    rows = await tx.rows("SELECT owner FROM job_leases WHERE name = ?", (name,))
    return bool(rows) and rows[0][0] == owner


async def release_lease(tx: Transaction, name: str, *, owner: str) -> None:
    """Give the lease on `name` back, if `owner` has it, so that the next starts at once."""
    await tx.many(
        "UPDATE job_leases SET until = 0 WHERE name = ? AND owner = ?", [(name, owner)]
    )


async def until_idle(step: Callable[[], Awaitable[int]]) -> int:
    """Repeat a batch-wise deed until it finds nothing to do; returns how much it did."""
    total = 0
    while did := await step():
        total += did
    return total


async def tend(duty: Duty, runner: Runner) -> None:
    """Run a duty each period until cancelled; never ends by itself.

    A failure is logged and counted, and the next try waits longer, up to MAX_BACKOFF_S.
    """
    tally = runner.tallies.setdefault(duty.name, Tally())
    try:
        while True:
            await _attempt(duty, runner, tally)
            await runner.pause(_pause_s(duty.period_s, tally, runner.chance()))
    finally:
        await _give_back(duty, runner)


async def _attempt(duty: Duty, runner: Runner, tally: Tally) -> None:
    # The top of a job: whatever a duty raises, the loop lives on.
    try:
        async with runner.database.transaction() as tx:
            now = int(runner.now())
            mine = await take_lease(tx, duty.name, owner=runner.owner, now=now)
        if not mine:
            return
        tally.runs += 1
        did = await duty.run()
    except Exception as error:
        tally.failures += 1
        tally.failures_in_a_row += 1
        tally.last_error = f"{type(error).__name__}: {error}"
        _log.warning(
            "duty_failed", duty=duty.name, error=tally.last_error, exc_info=True
        )
        return
    tally.done += did
    tally.failures_in_a_row = 0
    tally.last_success_at = runner.now()
    if did:
        _log.info("duty_done", duty=duty.name, count=did)


async def _give_back(duty: Duty, runner: Runner) -> None:
    try:
        async with runner.database.transaction() as tx:
            await release_lease(tx, duty.name, owner=runner.owner)
    except Exception as error:
        # The lease ends by itself in LEASE_S; stopping must not fail for it.
        _log.warning("lease_kept", duty=duty.name, error=str(error))


def _pause_s(period_s: float, tally: Tally, chance: float) -> float:
    doublings = min(tally.failures_in_a_row, 16)
    backoff = min(max(period_s, 1.0) * 2**doublings, max(MAX_BACKOFF_S, period_s))
    base = backoff if doublings else period_s
    return base * (1 + JITTER * (2 * chance - 1))
