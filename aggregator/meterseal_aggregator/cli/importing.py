"""`meterseal-aggregator import`: a file of ours or of others, taken over whole or not at all.

This module must never take a part of a file, nor print what a file says as it is written.
"""

import argparse
import asyncio
from typing import TYPE_CHECKING

from meterseal_aggregator.cli import commands

if TYPE_CHECKING:
    from meterseal_aggregator.app.house import House


async def import_file(house: "House", options: argparse.Namespace) -> int:
    """Take a CSV of members and meter points over, or a meter's Green Button file."""
    if options.green_button is None:
        return await commands.import_file(house, options)
    return await _green_button(house, options)


async def _green_button(house: "House", options: argparse.Namespace) -> int:
    from meterseal_aggregator.app.deeds import operator
    from meterseal_aggregator.billing.rendering.greenbutton_upload import (
        MAX_TAKEN_BYTES,
        upload_of,
    )
    from meterseal_aggregator.identity import store as identity
    from meterseal_aggregator.storage.rehearsal import rehearsal
    from meterseal_aggregator.vee import taking
    from meterseal_aggregator.vee.values import NotValued
    from meterseal_proto.printable import printable
    from meterseal_proto.units import MeterId

    try:
        with options.file.open("rb") as file:
            data = file.read(MAX_TAKEN_BYTES + 1)
    except OSError as error:
        return commands.fail(f"cannot read {options.file}: {error.strerror}")
    now, by, meter = int(house.now()), operator(), MeterId(options.green_button)
    try:
        upload = await asyncio.to_thread(upload_of, data, meter, by)
        async with house.database.reading() as tx:
            places = await taking.places_of(tx, upload)
        claims = await asyncio.to_thread(taking.prepare, upload, places, now)
        async with rehearsal(house.database, dry=options.dry_run) as tx:
            done = await taking.keep(tx, upload, claims, now)
            told = f"{upload.name}: {done.values} values"
            await identity.note(tx, by, "import-usage", told, now=int(house.real_now()))
    except NotValued as error:
        return commands.fail(
            f"{options.file} was not taken, not a value of it:"
            f" {printable(error.detail)}"
        )
    would = "would write" if options.dry_run else "wrote"
    print(
        f"{would} {done.values} values of {done.intervals} intervals in {done.series}"
        " series; the others were known so"
    )
    return 0
