"""The FastAPI app: routers, strict bodies, problem documents, one log line a request.

`OPEN` names every route that needs no token; a test asks all others without one. This
module must never read a configuration or a clock.
"""

from typing import Final

import structlog
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterseal_aggregator.web import (
    agents,
    auctions,
    bill_files,
    bills,
    bundles,
    calls,
    cells,
    certifications,
    certifiers,
    chain,
    chain_bills,
    deeds,
    disputes,
    documents,
    dossiers,
    edits,
    enrolments,
    erasures,
    errands,
    evidence,
    figures,
    full_tariffs,
    green_button,
    health,
    histories,
    holdings,
    instalments,
    listings,
    log,
    market,
    members,
    meters,
    money,
    nettings,
    notices,
    offers,
    operators,
    orders,
    parameters,
    paygo,
    points,
    private,
    problems,
    ratings,
    receivables,
    registers,
    slots,
    standing,
    stream,
    supplies,
    telemetry,
    total_files,
    totals,
    trades,
    usage,
    wallets,
    withdrawals,
)
from meterseal_aggregator.web.described import PROBLEMS, describe
from meterseal_aggregator.web.limits import (
    MAX_BODY_BYTES,
    MAX_ENROLMENT_BYTES,
    Paced,
    StrictBodies,
)
from meterseal_aggregator.web.shapes import Site

__all__ = ["OPEN", "Site", "build"]

OPENAPI: Final = "/v1/openapi.json"
OPEN: Final = frozenset(
    {
        "/healthz",
        "/readyz",
        OPENAPI,
        "/v1/network",
        "/v1/enrolments",
        "/v1/rotations",
        "/v1/log/checkpoint",
        "/v1/log/tile/{path:path}",
        "/v1/log/inclusion",
        "/v1/log/consistency",
        "/v1/anchors",
        "/v1/chain",
        "/v1/network/tariffs",
        "/v1/network/full-tariffs",
        "/v1/network/full-tariffs/{digest}",
        "/v1/network/tariffs/{digest}/evidence",
        "/v1/network/totals",
        "/v1/network/totals/{set_id}/set",
        "/v1/network/totals/{set_id}/file",
        "/v1/private-bills",
        "/v1/histories",
    }
)
"""Routes for everybody: what proves, what tells that we live, what a signature opens."""
SIGNED: Final = frozenset(
    {"/v1/enrolments", "/v1/rotations", "/v1/private-bills", "/v1/histories"}
)
"""Routes where a code or signatures stand for a token: paced, with large bodies."""
FILES: Final = frozenset(
    {
        documents.PATH,
        edits.PATH,
        green_button.PATH,
        supplies.IMPORTS,
        *full_tariffs.FILES,
    }
)
"""Routes whose body is a file, read once they know whose."""
ROUTERS: Final[tuple[APIRouter, ...]] = (
    health.router,
    enrolments.router,
    members.router,
    points.router,
    supplies.router,
    full_tariffs.router,
    notices.router,
    meters.router,
    registers.router,
    telemetry.router,
    agents.router,
    bundles.router,
    dossiers.router,
    disputes.router,
    erasures.router,
    private.router,
    errands.router,
    nettings.router,
    histories.router,
    totals.router,
    cells.router,
    total_files.router,
    evidence.router,
    log.router,
    chain.router,
    chain_bills.router,
    operators.router,
    certifications.router,
    certifiers.router,
    deeds.router,
    wallets.router,
    calls.router,
    withdrawals.router,
    documents.router,
    offers.router,
    orders.router,
    money.router,
    bill_files.router,
    bills.router,
    receivables.router,
    instalments.router,
    paygo.router,
    figures.router,
    listings.router,
    auctions.router,
    ratings.router,
    slots.router,
    stream.router,
    trades.router,
    usage.router,
    edits.router,
    green_button.router,
    holdings.router,
    standing.router,
    market.router,
    parameters.router,
)

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_log = structlog.get_logger(__name__)


def build(site: Site) -> FastAPI:
    """Return the API over a site's rooms."""
    app = FastAPI(
        title="Meterseal aggregator",
        version="1",
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=PROBLEMS,
    )
    app.state.site = site
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    describe(app)
    app.add_middleware(StrictBodies, limit_of=_body_limit)
    app.add_middleware(Paced, rate=site.publics, paths=SIGNED)
    app.add_middleware(_Edge)
    return app


def _body_limit(path: str) -> int | None:
    if path in FILES:
        return None
    return MAX_ENROLMENT_BYTES if path in SIGNED else MAX_BODY_BYTES


class _Edge:
    """ASGI middleware: safe headers on every answer, and one log line for each request.

    The line names the route, never the path: a path holds a meter's id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = [500]

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                headers = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                headers += _HEADERS
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = scope.get("route")
            _log.info(
                "request_answered",
                method=scope["method"],
                route=getattr(route, "path", None),
                status=status[0],
            )
