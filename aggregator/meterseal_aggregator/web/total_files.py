"""The file of a published total, for everybody: what `meterseal-verify` checks offline.

    GET /v1/network/totals/{set_id}/file

Gathered from the tables under the newest checkpoint. Of the trustees' answers those are
given that fit the total: one that lied stands in the operator's log. This module must
never give an answer of a set whose total is not published.
"""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from meterseal_aggregator.privacy import totals
from meterseal_aggregator.privacy.totals import MAX_TOTAL, FixedSet
from meterseal_aggregator.privacy.trustees import store, verdict
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees, Said, read_sums
from meterseal_aggregator.privacy.trustees.pinned import pinned
from meterseal_aggregator.stacks.anchors.carried import anchor_over
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, proofs
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.web.auth import TheSite
from meterseal_aggregator.web.problems import not_found, not_yet
from meterseal_aggregator.web.shapes import ById
from meterseal_aggregator.web.totals import PACED
from meterseal_proto.bundle import Anchor, Logged
from meterseal_proto.reporting import Act, Place
from meterseal_proto.totalfile import MaskAnswer, Member, TotalFile, TrusteeEvidence
from meterseal_proto.totals import SEEDS, Mask, Masked

router = APIRouter(prefix="/v1", tags=["totals"])

Answers = Mapping[int, Mapping[int, Mask]]


@router.get(
    "/network/totals/{set_id}/file", response_class=Response, dependencies=PACED
)
async def give_file(set_id: ById, site: TheSite) -> Response:
    """Give a total with all there is to check it: `meterseal-verify` does, offline."""
    genesis = site.terms.genesis
    async with site.database.reading() as tx:
        found = await totals.proved(tx, after=set_id - 1, limit=1)
        if not found or found[0].set_id != set_id:
            raise not_found("proved total")
        total = found[0]
        place = Place(genesis.network, total.cell, total.day)
        fixed = await totals.the_set(tx, place, genesis)
        assert fixed is not None
        signed = await store.said(tx, Act.SET, set_id)
        said = await store.said(tx, Act.MASKS, set_id)
        reports = list((await totals.reports(tx, fixed)).values())
        trustees = await pinned(tx)
        logged, note, anchor = await _place(tx, set_id)
    if trustees is None or any(n not in signed for n in range(SEEDS)):
        raise not_found("file of a total that was brought by hand")
    answers = await asyncio.to_thread(_right, said, reports, fixed)
    whole = TotalFile(
        genesis=genesis,
        cell=total.cell,
        day=total.day,
        members=tuple(
            Member(totals.reported(day), day.signature) for day in fixed.days
        ),
        trustees=tuple(
            _evidence(trustees, n, signed, said, answers) for n in range(SEEDS)
        ),
        value=total.value,
        blinding=total.blinding,
        reporting=logged,
        checkpoint=note,
        anchor=anchor,
    )
    data = await asyncio.to_thread(whole.encode)
    return Response(data, media_type="application/json")


def _right(said: Mapping[int, Said], reports: list[Masked], fixed: FixedSet) -> Answers:
    """Return the trustees' answers that fit the total, by trustee."""
    answers = {
        number: read_sums(number, one.content)
        for number, one in said.items()
        if one.signature is not None
    }
    commitments = [day.header.sum for day in fixed.days]
    right = verdict.found_total(answers, reports, commitments, MAX_TOTAL)
    wrong = verdict.liars(answers, right[1]) if right else list(answers)
    return {number: one for number, one in answers.items() if number not in wrong}


def _evidence(
    trustees: PinnedTrustees,
    number: int,
    signed: Mapping[int, Said],
    said: Mapping[int, Said],
    answers: Answers,
) -> TrusteeEvidence:
    answer = None
    if number in answers:
        answer = MaskAnswer(answers[number], said[number].signature or b"")
    return TrusteeEvidence(
        trustees.keys[number], signed[number].signature or b"", answer
    )


async def _place(tx: Transaction, set_id: int) -> tuple[Logged, str, Anchor | None]:
    """Return where the set's entry stands, the note that says so, and its anchor."""
    head = await log.latest(tx)
    place = await proofs.include(tx, set_id, head)
    if place is None:
        raise not_yet("it waits for its place in the log; ask again in a minute")
    note = await cosignatures.note(tx, place.head)
    anchor = await anchor_over(tx, place.index, place.head)
    return Logged(place.index, place.proof), note, anchor
