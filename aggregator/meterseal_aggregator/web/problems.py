"""The one table from our errors to RFC 9457 problem documents and HTTP statuses.

A problem says what to do in one sentence; its `type` is a name that programs may
compare. This module must never put what was sent into an answer, nor a traceback.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from meterseal_aggregator.billing.model import Cause as Unbilled
from meterseal_aggregator.billing.model import Refused as NotBilled
from meterseal_aggregator.billing.supplies.model import Cause as Unsupplied
from meterseal_aggregator.billing.supplies.model import NotSupplied
from meterseal_aggregator.billing.tariffs.model import Cause as Unpublished
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.disputes.model import Cause as Undisputed
from meterseal_aggregator.disputes.model import NotDisputed
from meterseal_aggregator.erasure.model import Cause as Unerased
from meterseal_aggregator.erasure.model import NotErased
from meterseal_aggregator.identity.model import NameTaken, NoSuchMember, TokenRefused
from meterseal_aggregator.identity.wallets import Cause as Unlinked
from meterseal_aggregator.identity.wallets import NotLinked
from meterseal_aggregator.market.model import Cause as Decline
from meterseal_aggregator.market.model import Declined
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.registry.model import Refused, Trouble
from meterseal_aggregator.translog.store import Rotten
from meterseal_aggregator.vee.values import Cause as Unvalued
from meterseal_aggregator.vee.values import NotValued
from meterseal_proto.errors import Unavailable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5
"""When nobody is at fault: try again then."""
MAX_FAULTS: Final = 20
"""Faults of one request that are named; the rest only repeat them."""

_TROUBLES: Final[dict[Trouble, HTTPStatus]] = {
    Trouble.CODE_UNKNOWN: HTTPStatus.FORBIDDEN,
    Trouble.CODE_EXPIRED: HTTPStatus.FORBIDDEN,
    Trouble.CODE_USED: HTTPStatus.CONFLICT,
    Trouble.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.BAD_CSR: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.BAD_KEY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.BAD_POSSESSION: HTTPStatus.FORBIDDEN,
    Trouble.ABOVE_CAPACITY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.SERIAL_TAKEN: HTTPStatus.CONFLICT,
    Trouble.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Trouble.OVERLAP: HTTPStatus.CONFLICT,
    Trouble.TOO_SOON: HTTPStatus.CONFLICT,
    Trouble.KEY_USED: HTTPStatus.CONFLICT,
    Trouble.AGENT_TAKEN: HTTPStatus.CONFLICT,
    Trouble.OWN: HTTPStatus.FORBIDDEN,
    Trouble.LEVEL: HTTPStatus.FORBIDDEN,
    Trouble.LIMITS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.STATE: HTTPStatus.CONFLICT,
    Trouble.MINTED: HTTPStatus.CONFLICT,
}
_CAUSES: Final[Mapping[Cause, HTTPStatus]] = {
    Cause.REGISTER: HTTPStatus.NOT_FOUND,
    Cause.KEY: HTTPStatus.FORBIDDEN,
    Cause.TARIFF: HTTPStatus.NOT_FOUND,
    Cause.CHAIN: HTTPStatus.CONFLICT,
    Cause.CELL_TAKEN: HTTPStatus.CONFLICT,
    Cause.TOO_FEW: HTTPStatus.CONFLICT,
}
_DECLINED: Final[Mapping[Decline, HTTPStatus]] = {
    Decline.UNKNOWN: HTTPStatus.NOT_FOUND,
    Decline.SLOT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Decline.PRICE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Decline.NOT_YOURS: HTTPStatus.FORBIDDEN,
    Decline.EXPIRED: HTTPStatus.GONE,
    Decline.FULL: HTTPStatus.TOO_MANY_REQUESTS,
    Decline.DOCUMENT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Decline.FIGURE: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""What is not here stands against how things are: 409."""
_UNBILLED: Final[Mapping[Unbilled, HTTPStatus]] = {
    Unbilled.UNKNOWN: HTTPStatus.NOT_FOUND,
    Unbilled.ERASED: HTTPStatus.GONE,
}
"""Likewise."""
_UNSUPPLIED: Final[Mapping[Unsupplied | Unpublished, HTTPStatus]] = {
    Unpublished.UNKNOWN: HTTPStatus.NOT_FOUND,
    Unpublished.DOCUMENT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unpublished.TEMPLATE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unpublished.ZONE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unpublished.CURRENCY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unsupplied.UNKNOWN: HTTPStatus.NOT_FOUND,
}
"""Likewise."""
_UNDISPUTED: Final[Mapping[Undisputed, HTTPStatus]] = {
    Undisputed.UNKNOWN: HTTPStatus.NOT_FOUND,
    Undisputed.AMOUNT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Undisputed.FULL: HTTPStatus.TOO_MANY_REQUESTS,
}
"""Likewise."""
_UNLINKED: Final[Mapping[Unlinked, HTTPStatus]] = {
    Unlinked.PRINCIPAL: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unlinked.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Unlinked.UNKNOWN: HTTPStatus.NOT_FOUND,
    Unlinked.ANSWERED: HTTPStatus.CONFLICT,
    Unlinked.EXPIRED: HTTPStatus.GONE,
    Unlinked.SIGNATURE: HTTPStatus.FORBIDDEN,
    Unlinked.LINKED: HTTPStatus.CONFLICT,
    Unlinked.FULL: HTTPStatus.CONFLICT,
}
_UNVALUED: Final[Mapping[Unvalued, HTTPStatus]] = {
    Unvalued.UNKNOWN: HTTPStatus.NOT_FOUND,
    Unvalued.KEY_USED: HTTPStatus.CONFLICT,
    Unvalued.PRIVATE: HTTPStatus.CONFLICT,
    Unvalued.SPAN: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unvalued.ABOVE_CAPACITY: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unvalued.UNESTIMABLE: HTTPStatus.CONFLICT,
    Unvalued.FILE: HTTPStatus.UNPROCESSABLE_ENTITY,
}

_log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that is no success: its status, its name, one sentence, and headers."""

    def __init__(
        self,
        status: HTTPStatus,
        name: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})
        self.faults = list(faults)

    def response(self) -> Response:
        """Return the problem document (RFC 9457 3)."""
        body: dict[str, object] = {
            "type": f"urn:meterseal:problem:{self.name}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.faults:
            body["faults"] = self.faults
        return JSONResponse(body, self.status.value, self.headers, MEDIA_TYPE)


def unauthorized(detail: str) -> Problem:
    """Return the answer to a request whose token is missing or no good (RFC 6750 3)."""
    headers = {"WWW-Authenticate": 'Bearer realm="meterseal"'}
    return Problem(HTTPStatus.UNAUTHORIZED, "no-valid-token", detail, headers)


def forbidden() -> Problem:
    """Return the answer to a caller who may not do or see this, whether it exists or not."""
    return Problem(
        HTTPStatus.FORBIDDEN, "not-yours", "your token does not allow this here"
    )


def not_found(what: str) -> Problem:
    """Return the answer for something that does not exist."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"there is no such {what}")


def not_yet(detail: str) -> Problem:
    """Return the answer for something that will be there shortly."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(HTTPStatus.CONFLICT, "not-yet", detail, headers)


def too_many(wait_s: float) -> Problem:
    """Return the answer to a caller who asks too often (RFC 6585 4)."""
    wait = max(1, round(wait_s + 0.5))
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        f"too many requests; try again in {wait} s",
        {"Retry-After": str(wait)},
    )


def too_large(limit: int) -> Problem:
    """Return the answer to a body beyond its limit in bytes."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"send at most {limit} bytes"
    )


def too_slow() -> Problem:
    """Return the answer to a body that did not arrive in time."""
    return Problem(
        HTTPStatus.REQUEST_TIMEOUT, "too-slow", "the body did not arrive in time"
    )


def wrong_media_type(wanted: str) -> Problem:
    """Return the answer to a body of another media type than the one there is for it."""
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", f"send it as {wanted}"
    )


def bad_json(detail: str) -> Problem:
    """Return the answer to a body that is not strict JSON."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad-json", detail)


def wrong_argument(where: str, detail: str) -> Problem:
    """Return the answer to a body whose field `where` holds something else."""
    fault = {"where": where, "what": detail}
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, "bad-request", f"{where}: {detail}", faults=(fault,))


def not_made(name: str, detail: str) -> Problem:
    """Return the answer to a withdrawal that cannot be made as things stand."""
    return Problem(HTTPStatus.CONFLICT, name, detail)


def no_chain() -> Problem:
    """Return the answer where no chain is configured: everything is on the ledger."""
    return Problem(
        HTTPStatus.CONFLICT,
        "no-chain",
        "this network is on no chain: the operator has configured no [stacks]",
    )


def no_wallet(detail: str) -> Problem:
    """Return the answer to a member without the account that is to sign."""
    return Problem(HTTPStatus.CONFLICT, "no-wallet", detail)


def not_handed_out(detail: str) -> Problem:
    """Return the answer where the chain now takes no such transaction."""
    return Problem(HTTPStatus.CONFLICT, "not-handed-out", detail)


def problem_of(error: Exception) -> Problem:
    """Return the problem of any error; what we do not know is ours, and is logged."""
    match error:
        case Problem():
            return error
        case Refused() | NotTaken() | NotLinked() | Declined() | NotBilled():
            return _refusal(error)
        case NotValued() | NotPublished() | NotSupplied():
            return _of_supply(error)
        case NotDisputed() | NotErased():
            return _of_member(error)
        case NameTaken() | NoSuchMember() | TokenRefused():
            return _of_identity(error)
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _plain(error)
        case _:
            return _ours(error)


def _of_supply(error: NotValued | NotPublished | NotSupplied) -> Problem:
    """Answer what is refused of usage, tariffs and supplies."""
    if isinstance(error, NotValued):
        return Problem(_UNVALUED[error.cause], error.cause.value, error.detail)
    status = _UNSUPPLIED.get(error.cause, HTTPStatus.CONFLICT)
    return Problem(status, error.cause.value, error.detail)


def _of_member(error: NotDisputed | NotErased) -> Problem:
    """Answer what is refused of disputes and erasure."""
    if isinstance(error, NotDisputed):
        undisputed = _UNDISPUTED.get(error.cause, HTTPStatus.CONFLICT)
        return Problem(undisputed, error.cause.value, error.detail)
    unknown = error.cause is Unerased.UNKNOWN
    status = HTTPStatus.NOT_FOUND if unknown else HTTPStatus.CONFLICT
    return Problem(status, error.cause.value, error.detail)


def _of_identity(error: NameTaken | NoSuchMember | TokenRefused) -> Problem:
    """Answer what identity refused."""
    if isinstance(error, NoSuchMember):
        return Problem(HTTPStatus.NOT_FOUND, "not-found", str(error))
    if isinstance(error, TokenRefused):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return Problem(status, "bad-request", str(error))
    return Problem(HTTPStatus.CONFLICT, "name-taken", str(error))


def _refusal(error: Refused | NotTaken | NotLinked | Declined | NotBilled) -> Problem:
    """Answer what a room refused, by its name for it."""
    if isinstance(error, NotBilled):
        unbilled = _UNBILLED.get(error.cause, HTTPStatus.CONFLICT)
        return Problem(unbilled, error.cause.value, error.detail)
    if isinstance(error, Declined):
        declined = _DECLINED.get(error.cause, HTTPStatus.CONFLICT)
        return Problem(declined, error.cause.value, error.detail)
    if isinstance(error, Refused):
        return Problem(_TROUBLES[error.trouble], error.trouble.value, error.detail)
    if isinstance(error, NotLinked):
        return Problem(_UNLINKED[error.cause], error.cause.value, error.detail)
    if error.cause is Cause.NOT_YET:
        return not_yet(error.detail)
    status = _CAUSES.get(error.cause, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Problem(status, error.cause.value, error.detail)


def _invalid(error: RequestValidationError) -> Problem:
    # Only where and what: "input" would repeat what was sent.
    faults = tuple(
        {"where": ".".join(map(str, fault["loc"])), "what": str(fault["msg"])}
        for fault in error.errors()[:MAX_FAULTS]
    )
    first = f"{faults[0]['where']}: {faults[0]['what']}" if faults else "wrong shape"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, "bad-request", first, faults=faults)


def _plain(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    name = status.phrase.lower().replace(" ", "-")
    return Problem(status, name, str(error.detail), dict(error.headers or {}))


def _ours(error: Exception) -> Problem:
    """Answer what is nobody's fault, or ours."""
    if isinstance(error, Unavailable):
        detail, name = "not possible just now; try again", "unavailable"
    elif isinstance(error, Rotten):
        _log.error("row_rotten", error=str(error))
        detail, name = "a stored row is damaged; the operator was told", "damaged"
    else:
        _log.error("request_failed", error=repr(error), exc_info=error)
        detail, name = "an error of ours; the operator was told", "internal"
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, name, detail)
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, name, detail, headers)


def install(app: FastAPI) -> None:
    """Answer every error of the app with its problem document."""

    async def answer(_request: Request, error: Exception) -> Response:
        return problem_of(error).response()

    for kind in (
        Problem, Refused, NotTaken, NotLinked, Declined, NotBilled, NotValued,
        NotPublished, NotSupplied, NotDisputed, NotErased, NoSuchMember, NameTaken,
        TokenRefused, RequestValidationError,
        HTTPException, Unavailable, Rotten, Exception,
    ):  # fmt: skip
        app.add_exception_handler(kind, answer)
