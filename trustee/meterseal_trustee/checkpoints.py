"""`POST /add-checkpoint`: C2SP tlog-witness in HTTP, text in and text out.

200 with our cosignature; 409 with the size we cosigned last, as `text/x.tlog.size`; else a
problem document: 400 no request, 403 not signed by the log, 404 a log we do not follow,
409 another root at the same size, 422 a proof that does not hold. This module must never
hold a rule.
"""

from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.responses import Response

from meterseal_proto.errors import Rejected
from meterseal_proto.witness import (
    MAX_REQUEST_BYTES,
    SIZE_TYPE,
    encode_size,
    parse_add_checkpoint,
)
from meterseal_trustee.bodies import read_body
from meterseal_trustee.witness import Doubt, NotCosigned, Witness

STATUS: Final = {
    Doubt.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Doubt.UNKNOWN_LOG: HTTPStatus.NOT_FOUND,
    Doubt.NOT_SIGNED: HTTPStatus.FORBIDDEN,
    Doubt.OTHER_SIZE: HTTPStatus.CONFLICT,
    Doubt.OTHER_ROOT: HTTPStatus.CONFLICT,
    Doubt.BAD_PROOF: HTTPStatus.UNPROCESSABLE_ENTITY,
}


async def add_checkpoint(request: Request) -> Response:
    """Cosign a checkpoint that extends the one we cosigned last."""
    witness = request.app.state.witness
    assert isinstance(witness, Witness)
    data = await read_body(request, MAX_REQUEST_BYTES)
    try:
        line = await witness.add(parse_add_checkpoint(data))
    except Rejected as error:
        raise NotCosigned(Doubt.BAD_REQUEST, error.detail) from None
    except NotCosigned as no:
        if no.doubt is not Doubt.OTHER_SIZE:
            raise
        # Clients compare the media type to the letter, so it goes without a charset.
        told = {"content-type": SIZE_TYPE}
        return Response(encode_size(no.size), STATUS[no.doubt], told)
    return Response(line.line(), media_type="text/plain")
