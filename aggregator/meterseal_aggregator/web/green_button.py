"""Green Button files of others: usage of a meter, taken over as NEM12's is.

    POST /v1/green-button-imports?meter=00..01          Content-Type: application/xml

Each import leaves a line in the operators' trail. An answer repeats of a file at most a
series' address and a number. This module must never take a file that is not whole.
"""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from meterseal_aggregator.billing.rendering.greenbutton_upload import (
    MAX_TAKEN_BYTES,
    upload_of,
)
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.vee import taking
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.limits import read_file
from meterseal_aggregator.web.problems import wrong_media_type
from meterseal_aggregator.web.shapes import View
from meterseal_proto.units import MeterId

router = APIRouter(prefix="/v1", tags=["usage"])

PATH: Final = "/v1/green-button-imports"
XML: Final = "application/xml"
Meter = Annotated[
    str,
    Query(
        pattern=r"^[0-9a-f]{32}$",
        description="The meter that the file is of, by its id",
        examples=["00" * 16],
    ),
]
MEDIA_TYPES: Final = frozenset({XML, "text/xml", "application/atom+xml"})
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {XML: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class GreenButtonView(View):
    """What came of a file; `values` were written now, 0 where all was known."""

    sha256: str
    series: int
    intervals: int
    values: int


@router.post("/green-button-imports", status_code=201, openapi_extra=_BODY)
async def import_green_button(
    request: Request, access: Asking, meter: Meter
) -> GreenButtonView:
    """Import a Green Button file of a meter that is enrolled here, whole or not (operator).

    Its intervals are at most an hour long, whole slots of the registers or parts of them.
    """
    access.allow(Action.MANAGE)
    media = request.headers.get("content-type", "").partition(";")[0].strip()
    if media not in MEDIA_TYPES:
        raise wrong_media_type(XML)
    raw = await read_file(request.receive, MAX_TAKEN_BYTES)
    site, now = access.site, int(access.site.now())
    named, by = MeterId(bytes.fromhex(meter)), access.caller.prefix
    # Neither holds the writer nor the loop: a year's file takes some seconds.
    upload = await asyncio.to_thread(upload_of, raw, named, by)
    async with site.database.reading() as tx:
        places = await taking.places_of(tx, upload)
    claims = await asyncio.to_thread(taking.prepare, upload, places, now)
    async with site.database.transaction() as tx:
        done = await taking.keep(tx, upload, claims, now)
        what = f"{upload.name}: {done.values} values"
        real_now = int(site.real_now())
        await identity.note(tx, by, "import-usage", what, now=real_now)
    return GreenButtonView(
        sha256=upload.sha256.hex(),
        series=done.series,
        intervals=done.intervals,
        values=done.values,
    )
