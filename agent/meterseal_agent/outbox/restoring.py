"""Putting a dead device's past into a successor's outbox: days, openings, tariffs.

All of a register's goes in one transaction, and again changes nothing. Only what was held
against the log comes here; this module must never change a day or an opening that is
there, and puts a restored opening before those of the successor's own.
"""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from meterseal_agent.outbox import days, memory, openings
from meterseal_agent.outbox.answers import DURABLE
from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.outbox.store import Outbox
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errors import Reason
from meterseal_proto.units import MeterId, RegisterId


@dataclass(frozen=True, slots=True)
class Past:
    """What comes back of a register: days, each with whether its proof had failed; and all
    its openings in the order of their chain, with `link`, the digest the next one names.

    `tariffs` are the openings' documents with since when they were known, by hash. `openings`
    None keeps those that are there, because they could not be checked.
    """

    days: Sequence[tuple[KeptDay, bool]] = field(repr=False)
    openings: Sequence[ProvedBill] | None
    link: bytes
    tariffs: dict[bytes, tuple[bytes, int]]


class Forked(Exception):
    """The openings on disk and those of the log are not one chain."""


class Restoring(Outbox):
    """An outbox into which the past is put: all of it by a command, openings by the agent."""

    def doubts(
        self, registers: Collection[tuple[MeterId, RegisterId]]
    ) -> list[tuple[Chain, Memory]]:
        """Return those of these registers whose openings are not known for sure."""
        found = []
        for chain in self.chains():
            known = self.memory(chain)
            if (chain.meter, chain.register) in registers and known and known.since:
                found.append((chain, known))
        return found

    def remembered(self, chain: Chain) -> Memory:
        """Return since when a register's openings are known for sure."""
        return memory.of(self._file.connection(), chain.id)

    def bring_back(self, chain: Chain, past: Past, *, at: int) -> int:
        """Put a register's past in place; returns how many days were not there before.

        `at` is up to when the log told of everything, UTC Unix seconds.

        Raises Forked, and leaves no trace then.
        """
        own = self.openings(chain)
        with self._file.transaction() as tx:
            fresh = [day for day, failed in past.days if _add_day(tx, day, failed)]
            if past.openings is None and fresh:
                # Where the chain ended, only the aggregator said.
                memory.hold(tx, chain.id, max(map(_end, fresh)))
            elif past.openings is not None:
                _add_tariffs(tx, past.tariffs)
                _add_openings(tx, chain.id, own, past.openings)
                memory.check(tx, chain.id, past.link, at)
        return len(fresh)

    def go_on(self, chain: Chain, state: str) -> bool:
        """Let the sampler count on from `state` where it has none yet; tell whether."""
        with self._file.transaction() as tx:
            return bool(
                tx.execute(
                    "UPDATE chains SET state = ? WHERE id = ? AND state IS NULL",
                    (state, chain.id),
                ).rowcount
            )


def _add_day(tx: sqlite3.Connection, day: KeptDay, failed: bool) -> bool:  # noqa: FBT001 - a pair's second half
    held = days.find(tx, day.key)
    if held is not None:
        if held.hash != day.hash:
            raise Forked(f"seal {day.seq} here is not the one in the log")
        return False
    days.keep(tx, day)
    days.answered(tx, day.key, int(Reason.PROOF) if failed else DURABLE)
    return True


def _end(day: KeptDay) -> int:
    return day.first + day.step * len(day.values)


def _add_tariffs(
    tx: sqlite3.Connection, tariffs: dict[bytes, tuple[bytes, int]]
) -> None:
    for digest, (document, since) in tariffs.items():
        openings.learn(tx, digest, document, since)
        tx.execute(
            "UPDATE tariffs SET learned_at = min(learned_at, ?) WHERE hash = ?",
            (since, digest),
        )


def _add_openings(
    tx: sqlite3.Connection,
    chain: int,
    own: Sequence[ProvedBill],
    proved: Sequence[ProvedBill],
) -> None:
    """Put those that are missing before or after those that are there: ids are their order."""
    known = {one.hash() for one in proved}
    whole = [*proved, *(one for one in own if one.hash() not in known)]
    if any(
        after.statement.previous != before.statement.digest()
        for before, after in pairwise(whole)
    ):
        raise Forked("an opening here is not the one the log has in its place")
    at = whole.index(own[0]) if own else 0
    if whole[at : at + len(own)] != list(own):
        raise Forked("an opening of the log is missing here between others")
    ((first,),) = tx.execute("SELECT coalesce(min(id), 1) FROM openings").fetchall()
    for number, bill in enumerate(whole[:at], first - at):
        openings.keep(tx, chain, bill, number)
    for bill in whole[at + len(own) :]:
        openings.keep(tx, chain, bill)
