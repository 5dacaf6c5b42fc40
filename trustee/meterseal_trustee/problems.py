"""How a trustee says no: a problem document (RFC 9457) whose type names the rule.

What we do not know is ours: it is logged, and answered without a word of it. This module
must never answer with what was sent.
"""

from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from meterseal_proto.errors import Unavailable
from meterseal_trustee.checkpoints import STATUS
from meterseal_trustee.rules import Refused, Trouble
from meterseal_trustee.witness import NotCosigned

_CONFLICTS: Final = frozenset(
    {
        Trouble.ANOTHER_DEPOSIT,
        Trouble.ANOTHER_ROSTER,
        Trouble.ANOTHER_SET,
        Trouble.IN_ANOTHER_CELL,
        Trouble.IN_ANOTHER_SET,
        Trouble.DAY_NOT_OVER,
        Trouble.NO_ROSTER,
        Trouble.NO_SUCH_SET,
        Trouble.NOT_ANSWERED,
        Trouble.TOTAL_HOLDS,
    }
)
"""Refused for what stands already, or not yet; all others for what was sent."""
_ALARMS: Final = frozenset({Trouble.ANOTHER_SET, Trouble.IN_ANOTHER_SET})
"""A second total was asked for: a mistake of the operator's, or an attempt to open a home."""
_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Let an app answer every error so."""
    for kind in (Refused, NotCosigned, HTTPException, Unavailable, Exception):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    """Turn an error into its problem document; what we do not know is ours, and is logged."""
    match error:
        case Refused():
            conflict = error.trouble in _CONFLICTS
            status = HTTPStatus.CONFLICT if conflict else HTTPStatus.BAD_REQUEST
            name, detail = error.trouble.value, error.detail
            tell = _log.error if error.trouble in _ALARMS else _log.warning
            tell("request_refused", path=request.url.path, why=name)
        case NotCosigned():
            status, name, detail = STATUS[error.doubt], error.doubt.value, error.detail
            _log.warning("checkpoint_not_cosigned", why=name)
        case HTTPException():
            status = HTTPStatus(error.status_code)
            name, detail = status.phrase.lower().replace(" ", "-"), str(error.detail)
        case Unavailable():
            _log.error("request_not_possible", why=str(error))
            status, name = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"
            detail = "not possible just now; try again"
        case _:
            _log.error("request_failed", error=repr(error), exc_info=error)
            status, name = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
            detail = "an error of ours; the trustee was told"
    problem = {"type": f"urn:meterseal:problem:{name}", "status": status.value}
    return JSONResponse(
        problem | {"title": status.phrase, "detail": detail},
        status.value,
        media_type="application/problem+json",
    )
