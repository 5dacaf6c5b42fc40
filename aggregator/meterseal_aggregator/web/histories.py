"""A restored device's history, for a signature of its seal key and no token.

The body is small and the answer is not, so `site` paces an address. This module must
never give a day or a bill to a key that was replaced.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse

from meterseal_aggregator.privacy import history
from meterseal_aggregator.web.auth import TheSite
from meterseal_aggregator.web.shapes import MAX_ID, RequestBody, Second
from meterseal_proto.history import HistoryRequest
from meterseal_proto.units import MAX_REGISTER, MeterId, RegisterId

router = APIRouter(prefix="/v1", tags=["devices"])


class HistoryBody(RequestBody):
    """What a device signed: `at` is real time, `after` the last log entry it was told of."""

    meter: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    register_code: Annotated[int, Field(alias="register", ge=0, le=MAX_REGISTER)]
    after: Annotated[int, Field(ge=0, le=MAX_ID)]
    at: Second
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

    def wish(self) -> HistoryRequest:
        """Return the request as the protocol knows it."""
        return HistoryRequest(
            MeterId(bytes.fromhex(self.meter)),
            RegisterId(self.register_code),
            self.after,
            self.at,
            bytes.fromhex(self.signature),
        )


@router.post("/histories")
async def give_history(body: HistoryBody, site: TheSite) -> JSONResponse:
    """Give a committed register's days with their backups, and its bills, a page at a time."""
    real_now = int(site.real_now())
    async with site.database.reading() as tx:
        found = await history.page(
            tx, body.wish(), site.terms.genesis, real_now=real_now
        )
    return JSONResponse(found.to_json())
