"""Evidence bundles: everything a stranger needs to check one seal, for whom it concerns.

A bundle holds readings in the open and must never go to anyone who may not see all of them. It is
read from the tables and each part is checked as it is read; `meterseal-verify` then
trusts none of it.
"""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.store import StoredSeal, seal, seal_row
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.stacks.anchors import store as anchors
from meterseal_aggregator.stacks.anchors.store import AnchorRow
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, proofs
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found, not_yet
from meterseal_aggregator.web.shapes import ById, MeterHex, Obis, parse_register
from meterseal_proto.bundle import (
    Anchor,
    Bundle,
    KeyEvidence,
    Logged,
    SealEvidence,
)
from meterseal_proto.enrolment import Genesis

router = APIRouter(prefix="/v1", tags=["evidence"])

MEDIA_TYPE: Final = "application/json"


@router.get("/seals/{seal_id}/bundle", response_class=Response)
async def take_bundle(seal_id: ById, access: Asking) -> Response:
    """Give the evidence bundle of a seal by its number, for meterseal-verify."""
    async with access.site.database.reading() as tx:
        stored = await seal_row(tx, seal_id, access.site.terms.genesis)
        return await _answer(tx, access, stored)


@router.get(
    "/meters/{meter}/registers/{register}/seals/{seq}/bundle", response_class=Response
)
async def take_bundle_by_place(
    meter: MeterHex, register: Obis, seq: ById, access: Asking
) -> Response:
    """Give the evidence bundle of a seal by its place in the register's chain.

    A receipt names it so; compare the header hash with the receipt's.
    """
    async with access.site.database.reading() as tx:
        code = parse_register(register)
        spans = await access.spans(tx, bytes.fromhex(meter), Action.TAKE_BUNDLE)
        row = next((span.register_id for span in spans if span.register == code), 0)
        stored = await seal(tx, row, seq, access.site.terms.genesis)
        return await _answer(tx, access, stored)


async def _answer(
    tx: Transaction, access: Access, stored: StoredSeal | None
) -> Response:
    if stored is None:
        access.allow(Action.TAKE_BUNDLE)
        raise not_found("seal")
    await _allow(tx, access, stored)
    if stored.erased:
        raise not_found("seal with its readings: they were erased")
    bundle = await _gather(tx, stored, access.site.terms.genesis)
    name = f'attachment; filename="{stored.digest.hex()[:16]}.bundle.json"'
    return Response(
        bundle.encode(), 200, {"Content-Disposition": name}, media_type=MEDIA_TYPE
    )


async def _allow(tx: Transaction, access: Access, stored: StoredSeal) -> None:
    """Go on if the caller may see every reading of the seal."""
    header = stored.seal.header
    spans = await access.own_spans(tx, header.meter)
    end = header.first + header.step * header.count
    owns = any(
        span.register_id == stored.register_id and span.holds(header.first, end)
        for span in spans
    )
    access.allow(Action.TAKE_BUNDLE, owns=owns)


async def _gather(tx: Transaction, stored: StoredSeal, genesis: Genesis) -> Bundle:
    """Gather a bundle under the anchored checkpoint where there is one."""
    index = (await log.indices(tx, [stored.log_entry_id])).get(stored.log_entry_id)
    if index is None:
        raise not_yet("the seal waits for its place in the log; ask again in a minute")
    row = await anchors.covering(tx, index)
    head = await log.head_at(tx, row.size) if row is not None else None
    place = await proofs.include(tx, stored.log_entry_id, head)
    key_id = await registry.key_event_id(tx, stored.register_id, stored.seal.header.seq)
    key = await proofs.include(tx, key_id or 0, place.head) if place else None
    if place is None or key is None:
        raise not_yet("no checkpoint covers the seal yet; ask again in a minute")
    (entry,) = await log.entries(tx, key.index, 1)
    return Bundle(
        genesis,
        KeyEvidence(entry.body, Logged(key.index, key.proof)),
        SealEvidence(stored.seal, Logged(place.index, place.proof)),
        await cosignatures.note(tx, place.head),
        None,
        _anchor(row),
    )


def _anchor(row: AnchorRow | None) -> Anchor | None:
    if row is None or row.reference is None:
        return None
    return Anchor(row.publisher, row.size, row.root, row.reference)
