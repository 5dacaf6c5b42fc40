"""What devices of private homes were asked to net, and what they proved of it.

How it stands, whose home it is sees as the operator does: that his slots used at least what
neighbours sold him is told of nobody else. The proof is one file, as evidence of a bill
has it. This module must never let anybody ask: the duty does, once a period.
"""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.privacy.errands.nettings import NettingRequest
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.restricted import (
    MaybeReason,
    check_look,
    keep_reason,
)
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    MeterHex,
    Obis,
    Page,
    View,
    cursor,
)
from meterseal_proto.evidence.nettingfile import write_netting

router = APIRouter(prefix="/v1", tags=["private"])

MEDIA_TYPE: Final = "application/json"


class NettingView(View):
    """A netting that was asked for: of how many slots and Wh, and how many were proved.

    `sent_at` is when the device was last asked, `answered_at` when it answered; until
    `waits_until` the bill waits for that. `not_taken` is the cause for which an answer
    was not taken.
    """

    id: int
    begin: int
    end: int
    asked_at: int
    waits_until: int
    sent_at: int | None
    answered_at: int | None
    not_taken: str | None
    asked_slots: int
    asked_wh: int
    netted_slots: int
    netted_wh: int


@router.get("/meters/{meter}/registers/{register}/nettings")
async def list_nettings(
    meter: MeterHex,
    register: Obis,
    access: Asking,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[NettingView]:
    """List what a register's device was asked to net, of the caller's own time, by id."""
    async with access.site.database.reading() as tx:
        spans = await access.register_spans(tx, meter, register, Action.SEE_READINGS)
        network = access.site.terms.genesis.network
        found = await nettings.of_register(
            tx, network, spans[0].register_id, after=after, limit=limit
        )
    mine = [_view(one) for one in found if _owns(spans, one)]
    return Page(items=mine, next=cursor(found, limit, lambda one: one.id))


@router.get(
    "/meters/{meter}/registers/{register}/nettings/{netting_id}/proof",
    response_class=Response,
)
async def give_proof(
    meter: MeterHex,
    register: Obis,
    netting_id: ById,
    access: Asking,
    reason: MaybeReason = None,
) -> Response:
    """Give what a device proved: slots, range proofs over its days, its signature.

    Where its member was erased, an operator says why he looks: `reason` is kept.
    """
    async with access.site.database.reading() as tx:
        spans = await access.register_spans(tx, meter, register, Action.TAKE_BUNDLE)
        network = access.site.terms.genesis.network
        row = spans[0].register_id
        found = await nettings.of_register(
            tx, network, row, after=netting_id - 1, limit=1
        )
        if not found or found[0].id != netting_id or not _owns(spans, found[0]):
            raise not_found("netting")
        period = found[0].period
        place = (row, period.begin, period.end)
        restricted = await check_look(tx, access, place, reason)
        proved = await nettings.proved(tx, found[0])
    if proved is None:
        raise not_found("proof: the device has not answered")
    if restricted:
        await keep_reason(access, f"netting {netting_id}", reason)
    name = f"{netting_id}.netting.json"
    told = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write_netting(proved), 200, told, media_type=MEDIA_TYPE)


def _owns(spans: Sequence[Span], one: NettingRequest) -> bool:
    return any(span.holds(one.period.begin, one.period.end) for span in spans)


def _view(one: NettingRequest) -> NettingView:
    return NettingView(
        id=one.id,
        begin=one.period.begin,
        end=one.period.end,
        asked_at=one.asked_at,
        waits_until=one.period.waits_until,
        sent_at=one.sent_at,
        answered_at=one.answered_at,
        not_taken=one.not_taken,
        asked_slots=len(one.slots),
        asked_wh=sum(slot.wh for slot in one.slots),
        netted_slots=len(one.netted),
        netted_wh=sum(slot.wh for slot in one.netted),
    )
