"""`loadstep`: watch the meter while somebody switches a known load on.

It must never judge a step before the reading has settled, nor wait for ever.
"""

import argparse
import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from meterseal_agent.commissioning.finding import all_well
from meterseal_agent.commissioning.loadstep import LEAST_W, SHARE, Shown, Step, judge
from meterseal_agent.commissioning.phases import NAMES, phases
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.subject import Subject, measure

EVERY_S: Final = 1.0
"""Meters renew their power once a second."""
SETTLED: Final = 10
"""Percent of the step that two readings in a row may still differ by."""

Say = Callable[[str], None]


def loadstep(options: argparse.Namespace, say: Say) -> int:
    """Print what the meter made of the step; 0 when all is well, else 1."""
    phase = (options.phase or "").upper()
    if phase and phase not in NAMES:
        raise Complaint(f"--phase is L1, L2 or L3, not {options.phase}")
    if options.watts < LEAST_W:
        raise Complaint(f"take a load of at least {LEAST_W} W, a kettle for instance")
    step = Step(options.watts, phase)
    watch = partial(_watch, step=step, within_s=options.within, say=say)
    before, after = measure(options, watch)
    findings = judge(before, after, step)
    for finding in findings:
        say(str(finding))
    return 0 if all_well(findings) else 1


async def _watch(
    meter: Subject, step: Step, within_s: int, say: Say
) -> tuple[Shown, Shown]:
    before = await _shown(meter)
    say(f"before: {before.total_w} W; switch the {step.power_w} W on now")
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    last = before
    while loop.time() < end:
        await asyncio.sleep(EVERY_S)
        now = await _shown(meter)
        if _moved(before, now, step, SHARE) and not _moved(last, now, step, SETTLED):
            return before, now
        last = now
    return before, last


async def _shown(meter: Subject) -> Shown:
    sample = await meter.read()
    found = phases(sample.values)
    total = sample.power_w
    if total is None and found and all(p.power_w is not None for p in found):
        total = sum(p.power_w or 0 for p in found)
    if total is None:
        raise Complaint(f"{meter.name} does not tell its power, so no step can be seen")
    return Shown(found, total)


def _moved(one: Shown, two: Shown, step: Step, percent: int) -> bool:
    """Tell whether the power changed by more than so many percent of the step."""
    changes = [abs((two.total_w or 0) - (one.total_w or 0))]
    first = {phase.name: phase.power_w or 0 for phase in one.phases}
    changes += [abs((p.power_w or 0) - first.get(p.name, 0)) for p in two.phases]
    return max(changes) * 100 > step.power_w * percent
