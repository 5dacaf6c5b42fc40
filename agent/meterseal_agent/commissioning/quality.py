"""Line quality: how long a unit's answers take and how many fail, and what to do about it.

Pure; fed with one outcome a reading. It must never smooth a number: a histogram shows
the late ones that a mean would hide.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_agent.commissioning.finding import Finding, bad, good, note

READS: Final = 200
"""Enough to see one failure in a hundred nine times out of ten."""
BOUNDS_MS: Final = (5, 10, 20, 50, 100, 200, 500, 1000)
"""The upper ends of the histogram's classes."""
BAR: Final = 40
SLOW_MS: Final = 500
"""Half of what a unit gets by default: one retry more and it is taken for dead."""
FAIL_PERMILLE: Final = 10
"""More than one failure in a hundred is a fault of the line, not of chance."""
SPREAD: Final = 10


class Outcome(StrEnum):
    """What became of one request."""

    ANSWERED = "answered"
    SILENT = "silent"
    NOISE = "noise"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Try:
    """One request: what became of it, and after how many milliseconds."""

    outcome: Outcome
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Quality:
    """A run of tries; latencies are of answers only, sorted, in ms."""

    tries: int
    counts: Counter[Outcome]
    latencies_ms: tuple[float, ...]

    def rate_permille(self, outcome: Outcome) -> int:
        """Return how many of a thousand tries ended so."""
        return 1000 * self.counts[outcome] // max(1, self.tries)

    def percentile_ms(self, percent: int) -> float:
        """Return the latency that `percent` of the answers do not exceed; 0 for none."""
        if not self.latencies_ms:
            return 0.0
        place = -(-len(self.latencies_ms) * percent // 100) - 1
        return self.latencies_ms[max(0, place)]


def quality(tries: Sequence[Try]) -> Quality:
    """Return the figures of a run."""
    latencies = sorted(t.latency_ms for t in tries if t.outcome is Outcome.ANSWERED)
    return Quality(len(tries), Counter(t.outcome for t in tries), tuple(latencies))


def histogram(run: Quality) -> list[str]:
    """Return the latencies' histogram, a line for each class that is not empty."""
    found: Counter[int] = Counter(
        sum(latency > bound for bound in BOUNDS_MS) for latency in run.latencies_ms
    )
    most = max(found.values(), default=1)
    labels = [f"<= {bound} ms" for bound in BOUNDS_MS] + [f"> {BOUNDS_MS[-1]} ms"]
    return [
        f"{labels[place]:>10} {count:5} {'#' * max(1, BAR * count // most)}"
        for place, count in sorted(found.items())
    ]


def advice(run: Quality, *, serial: bool) -> list[Finding]:
    """Return what the figures mean; `serial` tells a bus from a network."""
    found = [*_noise(run, serial=serial), *_silence(run, serial=serial), *_pace(run)]
    if refused := run.counts[Outcome.EXCEPTION]:
        grade = bad if refused == run.tries else note
        found.append(
            grade("unit", "it answers with exceptions: profile and model do not match")
        )
    return found or [good("line", "nothing failed, and answers come in good time")]


def _noise(run: Quality, *, serial: bool) -> list[Finding]:
    count = run.counts[Outcome.NOISE]
    if not count:
        return []
    sentence = f"{count} of {run.tries} answers were damaged"
    cause = (
        "check termination (120 ohm at both ends), A and B, the shield, the length, and"
        " whether two units have this address"
        if serial
        else "the gateway's serial side is at fault, or two units have this address"
    )
    if run.rate_permille(Outcome.NOISE) <= FAIL_PERMILLE:
        return [note("line", f"{sentence}: {cause}")]
    return [bad("line", f"{sentence}: {cause}")]


def _silence(run: Quality, *, serial: bool) -> list[Finding]:
    count = run.counts[Outcome.SILENT]
    if not count:
        return []
    if count == run.tries:
        place = "address, baud rate, parity, A and B" if serial else "address and cable"
        return [bad("unit", f"it never answers: check {place}")]
    sentence = f"{count} of {run.tries} requests went unanswered"
    if run.rate_permille(Outcome.SILENT) <= FAIL_PERMILLE:
        return [note("unit", f"{sentence}: the next reading makes up for it")]
    return [
        bad(
            "unit", f"{sentence}: a loose wire, a second master, or a timeout too short"
        )
    ]


def _pace(run: Quality) -> list[Finding]:
    if not run.latencies_ms:
        return []
    middle, late = run.percentile_ms(50), run.percentile_ms(99)
    if late > SLOW_MS:
        return [
            bad(
                "unit",
                f"one answer in a hundred takes over {late:.0f} ms: raise its"
                " timeout_ms to twice that, or look for a busy gateway",
            )
        ]
    if late > SPREAD * max(1.0, middle):
        return [
            note(
                "unit",
                f"most answers take {middle:.0f} ms, the late ones {late:.0f} ms:"
                " something else is asking on this line",
            )
        ]
    return []
