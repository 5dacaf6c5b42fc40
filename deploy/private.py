"""`make demo WITH=private`: a day of a street that tells nobody its usage, billed and summed.

Every home publishes commitments and proofs. Its device opens one number of the day, and
the duty makes a statement of that, as of an open home's usage; three trustees help to the
street's total, and to nothing else. Each figure is
compared with what the meters themselves showed, and then every file of the aggregator and
of the trustees is searched for the intervals. A device's own file is searched, too: there
they are, so the search finds what is there.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from deploy import trustees
from deploy.outcome import SETTLED_WITHIN_S
from deploy.private_outcome import compare, searched, statements, totals, verified
from deploy.private_street import (
    HOMES,
    LEAD_S,
    REGISTER,
    Chapter,
    Say,
    prepare,
    set_up,
)
from deploy.processes import Failed, until
from deploy.street import DAY_S, Street, begin_day
from meterseal_proto.errand import NoBill

NOT_YET: Final = NoBill.NOT_FILLED.text
"""What a device says before its day is accepted; the duty asks it again."""


def rehearse(street: Street, zone: str, port: int, say: Say) -> bool:
    """Rehearse the day; returns whether every figure was right and no usage was found.

    Its first second is midnight in `zone`. The trustees listen on three ports from `port`.
    Raises Failed.
    """
    began = time.monotonic()
    chapter = Chapter(street, zone, say)
    set_up(chapter, port)
    prepare(chapter)
    begin_day(street, partial(trustees.serve, street, chapter.helpers))
    say(f"A day of {HOMES} homes that tell nobody what they use ...")
    wait = partial(_wait, chapter, LEAD_S + 2 * DAY_S)
    wait(partial(_proved, chapter), "the proof of every home's day")
    wait(partial(_billed, chapter), "every home's bill")
    wait(lambda: bool(totals(chapter)), "the street's total")
    good = [compare(chapter), verified(chapter), searched(chapter)]
    for one in chapter.helpers:
        say(f"  {one.name} audits itself: {trustees.audit(street, one)}")
    say(f"  seconds, set-up of the street included: {time.monotonic() - began:.0f}")
    return all(good)


def _wait(
    chapter: Chapter, network_s: float, done: Callable[[], bool], what: str
) -> None:
    street = chapter.street
    until(
        done, street.processes, network_s / street.plan.speed + SETTLED_WITHIN_S, what
    )


def _proved(chapter: Chapter) -> bool:
    """Tell whether the range proof of every home's day was verified."""
    return all(
        any(
            row["first"] == chapter.street.start and row["proof"] == "verified"
            for row in chapter.street.api.pages(
                f"/v1/meters/{meter}/registers/{REGISTER}/days"
            )
        )
        for meter in chapter.meters
    )


def _billed(chapter: Chapter) -> bool:
    refused = [
        row
        for meter in chapter.meters
        for row in chapter.street.api.pages(
            f"/v1/meters/{meter}/registers/{REGISTER}/bill-requests"
        )
        if row["state"] == "refused" and row["reason"] != NOT_YET
    ]
    if refused:
        raise Failed(f"a device refused its bill: {refused[0]}")
    return len(statements(chapter)) == len(chapter.meters)
