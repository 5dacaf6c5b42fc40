"""`registers`: a unit's registers in every type side by side, and what changed since.

It reads only. What it read is kept in a file, so that a second call shows what moved:
switch a load on in between. It must never need a profile.
"""

import argparse
import asyncio
from collections.abc import Callable

from meterseal_agent.commissioning.browser import changes, from_json, table, to_json
from meterseal_agent.technician import lines, memory
from meterseal_agent.technician.blocks import Reader
from meterseal_agent.technician.complaint import Complaint

Say = Callable[[str], None]


def registers(options: argparse.Namespace, say: Say) -> int:
    """Print the registers and what changed since the last call; 0 when any answered."""
    named = lines.must_be_named(options)
    words = asyncio.run(_read(named, options))
    if not words:
        raise Complaint(
            f"{named.place} unit {options.unit} has no register from {options.first} on by"
            f" function {options.function}; try --function {7 - options.function}"
        )
    what = f"registers {named.place} {options.unit} {options.function}"
    kept = memory.place(options.memory, what)
    before = _before(kept)
    for row in table(words, before):
        say(row)
    if before:
        moved = changes(words, before)
        say(f"{len(moved)} registers changed since the last reading")
        for row in moved:
            say(row)
    kept.write(to_json(before | words))
    return 0


async def _read(named: lines.Named, options: argparse.Namespace) -> dict[int, int]:
    line = named.line()
    reader = Reader(line, options.unit, options.timeout_ms / 1000)
    count = min(options.count, 0x10000 - options.first)
    try:
        await reader.span(options.function, options.first, count)
    finally:
        line.close()
    return reader.words(options.function)


def _before(kept: memory.Memory) -> dict[int, int]:
    """Return the last reading, {} when there is none that can be read."""
    try:
        return from_json(kept.read())
    except (ValueError, TypeError):
        return {}
