"""The load-step test: switch a known load on, and see which phase it reaches, and how.

Pure. It finds what no snapshot can: that the meter measures this house, that L2 is L2,
that a CT looks the right way while PV feeds in. It must never find a step in noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_agent.commissioning.finding import Finding, bad, good, note
from meterseal_agent.commissioning.phases import Phase

LEAST_W: Final = 500
"""A smaller load drowns in what else a house switches."""
PERCENT: Final = 10
"""A kettle marked 2,000 W at 230 V takes 6 percent less at 223 V."""
SHARE: Final = 25
"""Percent of the step that another phase may move by meanwhile: the house lives on."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was switched on: its power in W, and the phase it hangs on ("" for unknown)."""

    power_w: int
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the meter showed at one moment: its phases and the power of all of them, W."""

    phases: tuple[Phase, ...]
    total_w: int | None


def judge(before: Shown, after: Shown, step: Step) -> list[Finding]:
    """Return what the meter made of `step`."""
    if step.power_w < LEAST_W:
        return [
            note("load", f"take a load of at least {LEAST_W} W, a kettle for instance")
        ]
    moved = _moved(before.phases, after.phases)
    return [*_total(before, after, step, moved), *_where(moved, step)]


def _moved(before: Sequence[Phase], after: Sequence[Phase]) -> dict[str, int]:
    """Return by how many W each phase moved that tells its power."""
    first = {phase.name: phase.power_w for phase in before}
    return {
        phase.name: phase.power_w - start
        for phase in after
        if phase.power_w is not None and (start := first.get(phase.name)) is not None
    }


def _total(
    before: Shown, after: Shown, step: Step, moved: dict[str, int]
) -> list[Finding]:
    if before.total_w is None or after.total_w is None:
        return [] if moved else [bad("total", "this meter does not tell its power")]
    change = after.total_w - before.total_w
    return [_sized("total", change, step)]


def _sized(where: str, change: int, step: Step) -> Finding:
    error = 100 * (change - step.power_w) / step.power_w
    sentence = f"{change:+d} W for a load of {step.power_w} W ({error:+.1f} %)"
    if abs(change - step.power_w) * 100 <= step.power_w * PERCENT:
        return good(where, sentence)
    if abs(change) * 100 < step.power_w * SHARE:
        return bad(where, f"{sentence}: the meter does not see this load")
    if abs(change + step.power_w) * 100 <= step.power_w * PERCENT:
        return bad(where, f"{sentence}: the sign is turned round; a CT is reversed")
    return bad(
        where,
        f"{sentence}: wrong CT ratio, a CT on another phase, or something else"
        " was switched meanwhile; do it again",
    )


def _where(moved: dict[str, int], step: Step) -> list[Finding]:
    """Return which phase took the step, against the one it hangs on."""
    if len(moved) < 2:
        return []
    most = max(moved, key=lambda name: abs(moved[name]))
    found = [_sized(most, moved[most], step)]
    if step.phase and step.phase != most:
        found.append(
            bad(
                step.phase,
                f"the load hangs on it, but {most} moved: conductors or CTs are swapped",
            )
        )
    found += [
        note(name, f"moved by {change:+d} W meanwhile")
        for name, change in moved.items()
        if name != most and abs(change) * 100 > step.power_w * SHARE
    ]
    return found
