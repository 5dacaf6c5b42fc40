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
from meterseal_agent.meters.modbus.request import READ_HOLDING
from meterseal_agent.meters.modbus.sunspec import BASES, MARKER
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
COMMON: Final = 4
NAME_WORDS: Final = 16
"""SunSpec model 1: behind the marker, its id and its length stand maker and model."""

Say = Callable[[str], None]


def identify(options: argparse.Namespace, say: Say) -> int:
    """Print the profiles that explain the unit; 0 when one does surely, else 1."""
    named = lines.must_be_named(options)
    chain, found = asyncio.run(_all(named, options.unit, options.timeout_ms / 1000))
    if chain:
        say(f"100 %  it says itself what it is: {chain} (SunSpec)")
    shown = [s for s in found if s.percent > 0][:SHOWN]
    for one in shown:
        say(one.line)
    if chain:
        say('write protocol = "sunspec"; no profile is needed')
        return 0
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


async def _all(
    named: lines.Named, unit: int, timeout_s: float
) -> tuple[str, list[Score]]:
    """Return what a SunSpec device says of itself, "" for others, and every score."""
    line = named.line()
    reader = Reader(line, unit, timeout_s)
    try:
        heard = await ask(line, unit, timeout_s)
        if not heard.there:
            raise Complaint(
                f"{named.place} unit {unit} does not answer; meterseal-agent scan finds"
                " who does"
            )
        scores = [await _held(reader, load(name).whole()) for name in names()]
        return await _chain(reader), ranking(scores)
    finally:
        line.close()


async def _chain(reader: Reader) -> str:
    """Return maker and model from the common model of a SunSpec device, "" for none."""
    words = reader.words(READ_HOLDING)
    for base in BASES:
        await _try(reader, READ_HOLDING, [Block(base, 2)])
        if (words.get(base), words.get(base + 1)) != MARKER:
            continue
        text = Block(base + COMMON, 2 * NAME_WORDS)
        await _try(reader, READ_HOLDING, [text])
        raw = b"".join(
            words.get(at, 0).to_bytes(2) for at in range(text.address, text.end)
        )
        names_said = (raw[: 2 * NAME_WORDS], raw[2 * NAME_WORDS :])
        said = " ".join(_printed(name) for name in names_said).strip()
        return said or "a device without a name"
    return ""


def _printed(raw: bytes) -> str:
    text = raw.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(letter for letter in text if letter.isprintable()).strip()


async def _held(reader: Reader, profile: Profile) -> Score:
    """Read what a profile names, its probe first, and score it.

    Details too: they tell models of one family apart.
    """
    words = reader.words(profile.function)
    await _try(reader, profile.function, plan([probe_point(profile)], profile.limits))
    if probe_holds(profile, words):
        await _try(reader, profile.function, plan(profile.points, profile.limits))
        bare = profile.limits.without_bridges()
        await _try(reader, profile.function, plan(profile.points, bare))
    return score(profile, words)


async def _try(reader: Reader, function: int, blocks: Sequence[Block]) -> None:
    for block in blocks:
        try:
            await reader.block(function, block)
        except Unavailable:
            # Some units fall silent at what they do not have; that is an answer too.
            continue
