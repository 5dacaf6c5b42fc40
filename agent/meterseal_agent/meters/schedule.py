"""Which meter of a line is asked next: the living on time, the dead when there is room.

Pure. Every meter has its own period and phase; a unit that does not answer backs off
exponentially and is asked only in the time the living leave over, so it cannot delay
them. What costs the line no time, an adapter that is not plugged in, is tried at the
meter's own rate; and where one comes back, the others of its line are tried too. This
module must never read a clock: its seconds are any steady ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, inf
from typing import Final

from meterseal_proto.units import MeterId

BACKOFF_CAP_S: Final = 300.0
"""The longest a dead unit waits for its next chance: back within a market slot."""
DEAD_LINE_CAP_S: Final = 60.0
"""The same where nobody on the line lives: whoever plugs the cable in waits for it, and
there is nobody to be delayed."""
FREE: Final = 0.1
"""A failure that took less than this part of its timeout cost the line nothing."""
STARVED_S: Final = 60.0
"""A line too busy to leave room still tries one dead unit a minute: it costs the
living one timeout of that minute, and without it a repaired meter would stay dead."""


@dataclass(slots=True)
class Turn:
    """One meter's place in the round.

    It is due every `period_s` and takes at most `timeout_s`. `failures` counts the
    failed readings since the last answer, `answers` and `missed` all of them;
    `failed_at` is when the last one failed.
    """

    meter: MeterId
    period_s: float
    timeout_s: float
    due: float = 0.0
    failures: int = 0
    answers: int = 0
    missed: int = 0
    failed_at: float = 0.0


class Round:
    """The meters of one line; first turns are spread evenly over each period."""

    def __init__(self, turns: Sequence[Turn], start: float) -> None:
        self._turns: dict[MeterId, Turn] = {}
        self._forced_at = -inf
        self.add(turns, start)

    def add(self, turns: Sequence[Turn], start: float) -> None:
        """Take meters in; what is known of the others stays."""
        self._turns |= {turn.meter: turn for turn in turns}
        for i, turn in enumerate(turns):
            turn.due = start + turn.period_s * i / len(turns)

    def keep(self, turns: Iterable[Turn]) -> None:
        """Keep these meters' turns and drop the others'."""
        self._turns = {turn.meter: turn for turn in turns}

    def next(self, now: float) -> tuple[MeterId | None, float]:
        """Return the meter to ask now, or None and the second to look again.

        Due living meters come first. A dead one is tried when its timeout fits before
        the next living turn, or when the line has starved it for STARVED_S.
        """
        turns = sorted(self._turns.values(), key=_due)
        living = next((turn for turn in turns if not turn.failures), None)
        if living is None:
            return self._first(turns, now)
        if living.due <= now:
            return living.meter, now
        wake = free_until = living.due
        for turn in turns:
            if not turn.failures:
                continue
            fits = max(turn.due, now) + turn.timeout_s <= free_until
            at = turn.due if fits else max(turn.due, self._forced_at) + STARVED_S
            if at <= now:
                self._forced_at = self._forced_at if fits else now
                return turn.meter, now
            wake = min(wake, at)
        return None, wake

    def _first(self, turns: Sequence[Turn], now: float) -> tuple[MeterId | None, float]:
        """Return whom to try on a line on which nobody lives."""
        if not turns:
            return None, inf
        first = min(turns, key=_due_alone)
        at = _due_alone(first)
        return (first.meter, now) if at <= now else (None, at)

    def answered(self, meter: MeterId, now: float) -> None:
        """Note an answer: the next turn is the next one of the meter's own raster.

        Of a meter that was dropped while it was asked nothing is noted.
        """
        turn = self._turns.get(meter)
        if turn is None:
            return
        if turn.failures:
            self._hope(now)
        turn.failures = 0
        turn.answers += 1
        passed = floor((now - turn.due) / turn.period_s)
        turn.due += turn.period_s * (max(0, passed) + 1)

    def failed(self, meter: MeterId, now: float, cost_s: float = inf) -> None:
        """Note a failure: each one in a row doubles the wait, up to BACKOFF_CAP_S.

        Not so where asking took no time that others could have used: `cost_s`.
        """
        turn = self._turns.get(meter)
        if turn is None:
            return
        turn.failures += 1
        turn.missed += 1
        turn.failed_at = now
        doubled = turn.period_s * 2.0 ** min(turn.failures - 1, 32)
        if cost_s < FREE * turn.timeout_s:
            doubled = turn.period_s
        turn.due = now + max(turn.period_s, min(BACKOFF_CAP_S, doubled))

    def _hope(self, now: float) -> None:
        """Try the others that fail soon: what kept one of them away is over."""
        for turn in self._turns.values():
            if turn.failures:
                turn.due = min(turn.due, now)


def _due(turn: Turn) -> float:
    return turn.due


def _due_alone(turn: Turn) -> float:
    return min(turn.due, turn.failed_at + max(turn.period_s, DEAD_LINE_CAP_S))
