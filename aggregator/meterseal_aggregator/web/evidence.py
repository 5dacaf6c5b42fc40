"""What was not accepted: quarantined and refused messages with their reasons, and counts.

For the operator and the auditor. A payload may hold readings in the open; it must never
go to anyone but the operator.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.store import (
    Evidence,
    RefusalCount,
    quarantined,
    refusal_counts,
)
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import AfterId, ById, Limit, Page, View, cursor

router = APIRouter(prefix="/v1", tags=["evidence"])

MAX_PAGE: Final = 100
"""Rows a page: each is read with its payload of up to 64 KiB."""
DAY_S: Final = 86_400

Few = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Place = Annotated[str, Query(pattern=r"^(\d{1,8}\.[^.\x00-\x1f]{1,64}\.\d{1,4})?$")]
"""Where a page of counts ended: day, agent, reason."""


class EvidenceView(View):
    """A message that was not accepted; `hash` is the SHA-256 of all of it, or a seal's.

    `chained`: validly signed, so later seals point to it. `received_at` in the
    network's Unix seconds.
    """

    id: int
    agent: str
    register_id: int | None
    seq: int | None
    chained: bool
    reason: str
    detail: str
    hash: str
    received_at: int


class EvidenceDetail(EvidenceView):
    """The same with its payload as it came, or its beginning, hex."""

    payload: str


class RefusalView(View):
    """How often an agent was refused for a reason on the day that begins at `day`."""

    day: int
    agent: str
    reason: str
    seen: int
    kept: int


@router.get("/evidence")
async def list_evidence(
    access: Asking, after: AfterId = 0, limit: Few = MAX_PAGE
) -> Page[EvidenceView]:
    """List messages that were not accepted, oldest first (operator, auditor)."""
    access.allow(Action.SEE_EVIDENCE)
    async with access.site.database.reading() as tx:
        found = await quarantined(tx, after=after, limit=limit)
    items = [_view(row) for row in found]
    return Page(items=items, next=cursor(found, limit, _row_id))


@router.get("/evidence/{evidence_id}")
async def show_evidence(evidence_id: ById, access: Asking) -> EvidenceDetail:
    """Show one of them with its payload (operator)."""
    access.allow(Action.TAKE_BUNDLE)
    async with access.site.database.reading() as tx:
        found = await quarantined(tx, after=evidence_id - 1, limit=1)
    if not found or found[0].id != evidence_id:
        raise not_found("evidence")
    payload = found[0].payload.hex()
    return EvidenceDetail(**_view(found[0]).model_dump(), payload=payload)


@router.get("/refusals")
async def count_refusals(
    access: Asking, after: Place = "", limit: Limit = 100
) -> Page[RefusalView]:
    """Count refusals by day, agent and reason, also those kept no more (as evidence)."""
    access.allow(Action.SEE_EVIDENCE)
    day, agent, reason = after.split(".") if after else ("-1", "", "0")
    async with access.site.database.reading() as tx:
        place = (int(day), agent, int(reason))
        found = await refusal_counts(tx, after=place, limit=limit)
    items = [_count(row) for row in found]
    return Page(items=items, next=cursor(found, limit, _place))


def _view(row: Evidence) -> EvidenceView:
    return EvidenceView(
        id=row.id,
        agent=row.agent,
        register_id=row.register_id,
        seq=row.seq,
        chained=row.chained,
        reason=row.reason.text,
        detail=row.detail,
        hash=row.hash.hex(),
        received_at=row.received_at,
    )


def _count(row: RefusalCount) -> RefusalView:
    return RefusalView(
        day=row.day * DAY_S,
        agent=row.agent,
        reason=row.reason.text,
        seen=row.seen,
        kept=row.kept,
    )


def _row_id(row: Evidence) -> int:
    return row.id


def _place(row: RefusalCount) -> str:
    return f"{row.day}.{row.agent}.{row.reason.value}"
