"""A fixed set on its way to its total: three signatures, two answers, a proof, or blame.

    done = await advance(asking, place)        # as far as the trustees let it

Every step reads what is kept, asks for what is missing, keeps what was said, and only then
goes on: after a power cut the next round finds the step that is missing. This module must
never publish a total that does not prove, nor show a trustee a single masked opening.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from meterseal_aggregator.privacy import totals
from meterseal_aggregator.privacy.totals import MAX_TOTAL, FixedSet
from meterseal_aggregator.privacy.trustees import spelling, store, verdict
from meterseal_aggregator.privacy.trustees.client import Json
from meterseal_aggregator.privacy.trustees.model import Said, read_points, read_sums
from meterseal_aggregator.privacy.trustees.round import Question, Round
from meterseal_aggregator.privacy.trustees.spelling import Answer
from meterseal_proto.reporting import Act, Place
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS, Mask, Masked, unmasked
from meterseal_proto.units import MeterId

TRUSTEES_DIFFER: Final = "trustees-differ"
"""Why a set has no total: trustees' signed answers contradict each other, two by two."""
METERS_TO_BLAME: Final = "meters-to-blame"
"""Why a set has no total: a masked opening is not of its commitment."""
_Asked = Callable[[FixedSet, int], Question]
_NOTHING: Final = {seed: Mask(0, 0) for seed in range(SEEDS)}
_log = structlog.get_logger(__name__)


async def advance(asking: Round, place: Place) -> int:
    """Take a place's set as far as it goes; returns 1 when it got its total, or its end."""
    async with asking.office.database.reading() as tx:
        fixed = await totals.the_set(tx, place, asking.office.genesis)
    assert fixed is not None
    signatures = await _gather(asking, Act.SET, fixed, range(SEEDS), _set_question)
    if len(signatures) < SEEDS:
        return 0
    given = [one.signature or b"" for _, one in sorted(signatures.items())]
    masks = partial(_masks_question, given)
    # Two answers are enough where they prove; the third says who lied where not.
    answers = await _gather(asking, Act.MASKS, fixed, range(SEEDS - 1), masks)
    if len(answers) >= SEEDS - 1 and await _publish(asking, fixed, answers):
        return 1
    answers = await _gather(asking, Act.MASKS, fixed, range(SEEDS), masks)
    if len(answers) >= SEEDS - 1 and await _publish(asking, fixed, answers):
        return 1
    if len(answers) < SEEDS:
        return 0
    return await _blame(asking, fixed, answers)


async def _gather(
    asking: Round,
    act: Act,
    fixed: FixedSet,
    numbers: range,
    question: _Asked,
) -> dict[int, Said]:
    """Return the trustees' signed answers, once those of `numbers` that lack were asked."""
    async with asking.office.database.reading() as tx:
        known = await store.said(tx, act, fixed.id)
    wanted = [number for number in numbers if asking.open(known.get(number))]
    one = partial(question, fixed)
    for said in await asking.ask_all(wanted, one):
        known[said.trustee] = said
        if said.signature is None:
            _log.warning(
                "trustee_refused",
                trustee=said.trustee, act=act.name.lower(), cell=fixed.place.cell,
                day=fixed.place.day, why=said.why, detail=said.detail,
            )  # fmt: skip
    return {number: said for number, said in known.items() if said.signature}


async def _publish(
    asking: Round, fixed: FixedSet, said: Mapping[int, Said]
) -> Masked | None:
    """Keep the total if two answers prove it; returns it."""
    answers = {number: read_sums(number, one.content) for number, one in said.items()}
    async with asking.office.database.reading() as tx:
        reports = list((await totals.reports(tx, fixed)).values())
    commitments = [day.header.sum for day in fixed.days]
    right = await asyncio.to_thread(
        verdict.found_total, answers, reports, commitments, MAX_TOTAL
    )
    if right is None:
        return None
    found, sums = right
    async with asking.office.database.transaction() as tx:
        await totals.keep(tx, fixed, found, now=asking.now)
    place = fixed.place
    for number in verdict.liars(answers, sums):
        _log.error("trustee_lied", trustee=number, cell=place.cell, day=place.day)
    _log.info("total_published", cell=place.cell, day=place.day, homes=len(fixed.days))
    return found


async def _blame(asking: Round, fixed: FixedSet, said: Mapping[int, Said]) -> int:
    """Find out whose fault it is that no total proves; returns 1 once the set is closed."""
    answers = {number: read_sums(number, one.content) for number, one in said.items()}
    if not verdict.agree(answers):
        return await _close(asking, fixed, TRUSTEES_DIFFER, [])
    async with asking.office.database.reading() as tx:
        kept = await totals.reports(tx, fixed)
    whole = unmasked(kept.values(), _NOTHING)
    question = partial(_blame_question, said, whole)
    shown = await _gather(asking, Act.BLAME, fixed, range(SEEDS), question)
    if len(shown) < SEEDS:
        return 0
    meters = _meters(fixed)
    points = {
        number: read_points(number, meters, one.content)
        for number, one in shown.items()
    }
    reports = {day.header.meter: kept[day.id] for day in fixed.days}
    reported = [totals.reported(day) for day in fixed.days]
    named = await asyncio.to_thread(verdict.cheats, reported, reports, answers, points)
    if named is None:
        return await _close(asking, fixed, TRUSTEES_DIFFER, [])
    return await _close(asking, fixed, METERS_TO_BLAME, named)


async def _close(
    asking: Round, fixed: FixedSet, why: str, named: Sequence[MeterId]
) -> int:
    rows = [day.id for day in fixed.days if day.header.meter in named]
    async with asking.office.database.transaction() as tx:
        await store.close_set(tx, fixed.id, why, rows, asking.now)
    _log.error(
        "set_closed_without_total",
        cell=fixed.place.cell, day=fixed.place.day, why=why,
        meters=[meter.hex() for meter in named],
    )  # fmt: skip
    return 1


def _set_question(fixed: FixedSet, _number: int) -> Question:
    reported = [totals.reported(day) for day in fixed.days]

    def read(key: TrusteeKey, found: Json) -> Answer:
        return spelling.read_set(key, fixed.statement, found)

    body = spelling.set_body(fixed.place, reported)
    return Question(Act.SET, fixed.id, "/v1/sets", body, read)


def _masks_question(given: Sequence[bytes], fixed: FixedSet, _number: int) -> Question:
    def read(key: TrusteeKey, found: Json) -> Answer:
        return spelling.read_masks(key, fixed.statement, found)

    body = spelling.masks_body(fixed.place, fixed.statement, given)
    return Question(Act.MASKS, fixed.id, "/v1/masks", body, read)


def _blame_question(
    answers: Mapping[int, Said], whole: Masked, fixed: FixedSet, number: int
) -> Question:
    other = answers[(number + 1) % SEEDS]
    shown = (other.trustee, other.signature or b"", other.content)
    meters = _meters(fixed)

    def read(key: TrusteeKey, found: Json) -> Answer:
        return spelling.read_blame(key, fixed.statement, meters, found)

    body = spelling.blame_body(fixed.place, fixed.statement, whole, shown, meters)
    return Question(Act.BLAME, fixed.id, "/v1/blames", body, read)


def _meters(fixed: FixedSet) -> list[MeterId]:
    return [day.header.meter for day in fixed.days]
