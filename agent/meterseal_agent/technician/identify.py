"""`identify`: every shipped profile held against one unit, the best score first.

It reads only, each register once however many profiles name it.
It must never write, and never take up a profile for the configuration by itself.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from meterseal_agent.commissioning.identify import (
    Score,
    probe_holds,
    probe_point,
    ranking,
    score,
)
from meterseal_agent.meters.planner import Block, plan
from meterseal_agent.meters.profile import Profile, load, names
from meterseal_agent.technician import lines
from meterseal_agent.technician.blocks import Reader
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.scan import ask
from meterseal_proto.errors import Unavailable

SURE: Final = 75
"""Percent: a model that explains less is a guess."""
SHOWN: Final = 5

Say = Callable[[str], None]


def identify(options: argparse.Namespace, say: Say) -> int:
    """Print the profiles that explain the unit; 0 when one does surely, else 1."""
    named = lines.must_be_named(options)
    found = asyncio.run(_scores(named, options.unit, options.timeout_ms / 1000))
    shown = [s for s in found if s.percent > 0][:SHOWN]
    for one in shown:
        say(one.line)
    if not shown:
        raise Complaint(
            f"{named.place} unit {options.unit} answers, but like no known model; look at"
            " its registers with meterseal-agent registers"
        )
    best = shown[0]
    if best.percent < SURE:
        say("no model is sure: look at the type plate, and at its registers")
        return 1
    alike = [s.profile.name for s in shown[1:] if s.weight == best.weight]
    if alike:
        say(
            f"{', '.join(alike)} answers the same; only the type plate tells them apart"
        )
    say(f'write profile = "{best.profile.name}", once the type plate agrees')
    return 0


async def _scores(named: lines.Named, unit: int, timeout_s: float) -> list[Score]:
    line = named.line()
    reader = Reader(line, unit, timeout_s)
    try:
        heard = await ask(line, unit, timeout_s)
        if not heard.there:
            raise Complaint(
                f"{named.place} unit {unit} does not answer; meterseal-agent scan finds"
                " who does"
            )
        return ranking([await _held(reader, load(name)) for name in names()])
    finally:
        line.close()


async def _held(reader: Reader, profile: Profile) -> Score:
    """Read what a profile names, its probe first, and score it."""
    words = reader.words(profile.function)
    await _try(reader, profile, plan([probe_point(profile)], profile.limits))
    if probe_holds(profile, words):
        await _try(reader, profile, plan(profile.points, profile.limits))
        bare = profile.limits.without_bridges()
        await _try(reader, profile, plan(profile.points, bare))
    return score(profile, words)


async def _try(reader: Reader, profile: Profile, blocks: Sequence[Block]) -> None:
    for block in blocks:
        try:
            await reader.block(profile.function, block)
        except Unavailable:
            # Some units fall silent at what they do not have; that is an answer too.
            continue
