"""Seeds and rosters on their way: sent until each trustee has signed that it has them.

Deposits go as the devices signed them. A cell's roster is written down, then proposed to
all three; a trustee may wait for a person of its own to compare it. This module must never
propose two rosters for a cell and quarter.
"""

import asyncio
from functools import partial
from typing import Final

from meterseal_aggregator.privacy.trustees import spelling, store
from meterseal_aggregator.privacy.trustees.client import Json
from meterseal_aggregator.privacy.trustees.model import Said
from meterseal_aggregator.privacy.trustees.round import ASK_AGAIN_S, Question, Round
from meterseal_aggregator.privacy.trustees.spelling import Answer
from meterseal_proto.reporting import Act, Roster
from meterseal_proto.seedbox import Deposit, TrusteeKey
from meterseal_proto.totals import SEEDS

DEPOSITS_A_ROUND: Final = 50
"""Deposits sent to a trustee a round: it opens two boxes and syncs its disk for each."""


async def send_deposits(asking: Round) -> int:
    """Send each trustee the next deposits it has not signed; returns how many it signed."""
    counts = await asyncio.gather(*(_send(asking, number) for number in range(SEEDS)))
    return sum(counts)


async def _send(asking: Round, number: int) -> int:
    before = asking.now - ASK_AGAIN_S
    async with asking.office.database.reading() as tx:
        waiting = await store.unsent(
            tx, number, refused_before=before, limit=DEPOSITS_A_ROUND
        )
    said: list[Said] = []
    for row_id, deposit in waiting:
        one = await asking.ask(number, _deposit(asking, row_id, deposit))
        if one is None:
            break
        said.append(one)
    await asking.keep(said)
    return sum(one.signature is not None for one in said)


def _deposit(asking: Round, row_id: int, deposit: Deposit) -> Question:
    network = asking.office.trustees.network

    def read(key: TrusteeKey, found: Json) -> Answer:
        return spelling.read_kept(key, deposit, network, found)

    body = spelling.seeds_body(deposit)
    return Question(Act.DEPOSIT, row_id, "/v1/seeds", body, read)


async def propose_rosters(asking: Round, this_quarter: int) -> int:
    """Propose the rosters of this quarter and later ones; returns how many were signed."""
    async with asking.office.database.reading() as tx:
        cells = await store.cells(tx, this_quarter)
    signed = 0
    for cell, quarter, _, _, signatures in cells:
        if signatures < SEEDS:
            signed += await _propose(asking, cell, quarter)
    return signed


async def _propose(asking: Round, cell: str, quarter: int) -> int:
    office = asking.office
    async with office.database.reading() as tx:
        members = await store.members(tx, cell, quarter)
    if members.lacking:
        return 0
    roster = members.roster(office.trustees.network, cell, quarter)
    async with office.database.transaction() as tx:
        row_id = await store.keep_roster(tx, roster, asking.now)
        known = await store.said(tx, Act.ROSTER, row_id)
    wanted = [number for number in range(SEEDS) if asking.open(known.get(number))]
    body = spelling.roster_body(roster)
    read = partial(_read_roster, roster)
    question = Question(Act.ROSTER, row_id, "/v1/rosters", body, read)
    said = await asking.ask_all(wanted, lambda _: question)
    return sum(one.signature is not None for one in said)


def _read_roster(roster: Roster, key: TrusteeKey, found: Json) -> Answer | None:
    if spelling.waits(found):
        return None
    return spelling.read_roster(key, roster.hash(), found)
