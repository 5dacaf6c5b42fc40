"""The duty `totals`: seeds, rosters, sets and totals, as far as they go this time.

    did = await run_once(office, now)      # how many things were signed, fixed, published

Repeatable after a kill between any two steps: what is done stands in the tables, and what
a trustee is asked twice it answers the same. A place whose days are rotten waits, and no
other waits for it; the first is raised once the round is over. This module must never wait for a trustee:
what one does not answer now is asked in the next round.
"""

from typing import Final

import structlog

from meterseal_aggregator.privacy.trustees import sets, store
from meterseal_aggregator.privacy.trustees.rosters import propose_rosters, send_deposits
from meterseal_aggregator.privacy.trustees.round import Office, Round
from meterseal_aggregator.privacy.trustees.settle import advance
from meterseal_proto.reporting import Place

ROUND_S: Final = 30.0
"""Seconds after which a round asks nothing more: well inside a lease of a minute, with the
answer that is still waited for."""
_log = structlog.get_logger(__name__)


async def run_once(office: Office, now: int) -> int:
    """Do what can be done at Unix second `now`; 0 when everything waits or is done.

    Raises Rotten, at the end, where the rows of a set are not what was sealed.
    """
    asking = Round(office, now)
    async with office.database.reading() as tx:
        terms = await sets.terms_at(tx, now)
    done = await send_deposits(asking)
    done += await propose_rosters(asking, terms.quarter(now))
    done += await sets.fix_due(asking, terms)
    async with office.database.reading() as tx:
        open_sets = await store.unfinished(tx)
    for _, cell, day in open_sets:
        if office.enough():
            break
        with asking.sparing_others():
            done += await advance(asking, Place(office.genesis.network, cell, day))
    await _hear(asking)
    if asking.rotten is not None:
        raise asking.rotten
    return done


async def _hear(asking: Round) -> None:
    """Keep who is silent, where it changed: a line of the log says so once."""
    async with asking.office.database.reading() as tx:
        before = await store.silent(tx)
    back = before.keys() & (asking.heard - asking.silent.keys())
    gone = asking.silent.keys() - before.keys()
    if not back and not gone:
        return
    async with asking.office.database.transaction() as tx:
        await store.hear(tx, back, {n: asking.silent[n] for n in gone}, asking.now)
    for number in sorted(gone):
        _log.warning("trustee_silent", trustee=number, why=asking.silent[number])
    for number in sorted(back):
        _log.info("trustee_answers_again", trustee=number)
