"""`quality`: two hundred readings of one unit, their latencies, their failures, advice.

It must never hide the first failure behind a retry: every reading counts as it came.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

from meterseal_agent.commissioning.finding import Finding, all_well
from meterseal_agent.commissioning.quality import (
    Outcome,
    Quality,
    Try,
    advice,
    histogram,
    quality,
)
from meterseal_agent.meters.modbus import Garbled, Refused
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.wire import Silent
from meterseal_agent.technician.subject import OnModbus, Subject, measure

Say = Callable[[str], None]


def line_quality(options: argparse.Namespace, say: Say) -> int:
    """Print the figures of a line; 0 when nothing has to be mended, else 1."""
    timeout_s = options.timeout_ms / 1000
    _, findings = measure(
        options, partial(figures, reads=options.reads, timeout_s=timeout_s, say=say)
    )
    for finding in findings:
        say(str(finding))
    return 0 if all_well(findings) else 1


async def figures(
    meter: Subject, reads: int, timeout_s: float, say: Say
) -> tuple[Quality, list[Finding]]:
    """Read so many times, print the figures; return them with what they mean."""
    place = meter.on_modbus()
    run = quality(await _tries(place, reads, timeout_s))
    for text in told(meter.name, run):
        say(text)
    return run, advice(run, serial=place.serial)


async def _tries(place: OnModbus, reads: int, timeout_s: float) -> list[Try]:
    """Read the profile's longest block so many times, one after another."""
    profile = place.profile
    blocks = plan(profile.points, profile.limits.without_bridges())
    longest = max(blocks, key=lambda block: block.count)
    tries = []
    for _ in range(reads):
        began = time.monotonic()
        outcome = Outcome.ANSWERED
        try:
            await place.line.read(place.unit, profile.function, longest, timeout_s)
        except Refused:
            outcome = Outcome.EXCEPTION
        except Silent:
            outcome = Outcome.SILENT
        except Garbled:
            outcome = Outcome.NOISE
        tries.append(Try(outcome, 1000 * (time.monotonic() - began)))
    return tries


def told(name: str, run: Quality) -> list[str]:
    """Return the figures as they are printed."""
    counts = ", ".join(f"{run.counts[outcome]} {outcome}" for outcome in Outcome)
    reads = f"{name}: {run.tries} reads: {counts}"
    if not run.latencies_ms:
        return [reads]
    middle, late, last = (run.percentile_ms(percent) for percent in (50, 99, 100))
    latency = (
        f"latency: half within {middle:.0f} ms, 99 of 100 within {late:.0f} ms,"
        f" the longest {last:.0f} ms; damaged {run.rate_permille(Outcome.NOISE) / 10} %"
    )
    return [reads, latency, *histogram(run)]
