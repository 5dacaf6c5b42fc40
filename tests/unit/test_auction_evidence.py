"""The evidence of a trade that an auction made: anybody clears its book again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import trade as traded
from meterseal_aggregator.billing.evidence.model import NotYet
from meterseal_aggregator.billing.evidence.trade import Asker
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import sequencer
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import pack
from meterseal_proto.verify import examine, zone_clock
from tests.support.auctions import before, gate, make_people
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.marketplace import DEMO, a_market, slot

START = slot(40)
KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
KEY = sequencer.LogKey("street.example/log", LOG_KEY)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        people = await make_people(opened, sellers=2, buyers=2)
        await people.ask(0, START, 500, 100_000, before(START))
        await people.bid(0, START, 300, 200_000, before(START))
        await people.bid(1, START, 100, 180_000, before(START))
        await run_once(opened, DEMO, gate(START))
        yield opened


async def files(database: Database, asker: Asker = Asker.BUYER) -> dict[str, bytes]:
    async with database.reading() as tx:
        trade = await trades.by_id(tx, 1)
        assert trade is not None
        return (await traded.gather(tx, trade, asker, GENESIS)).files


def judged(found: dict[str, bytes]) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(pack(found), KNOWN)}


def failed(found: dict[str, bytes]) -> set[str]:
    return {n for n, c in judged(found).items() if c.verdict is Verdict.FAIL}


async def test_the_book_clears_to_the_trades_price_and_the_log_has_its_hash(
    database: Database,
) -> None:
    with pytest.raises(NotYet):
        await files(database)
    await sequencer.run_once(database, KEY, gate(START))
    found = judged(await files(database))
    assert Verdict.FAIL not in {claim.verdict for claim in found.values()}, found
    assert found["terms"].verdict is Verdict.PASS
    assert found["ledger"].verdict is Verdict.PASS
    assert found["delivered"].verdict is Verdict.UNCHECKED


async def test_another_order_in_the_book_or_another_salt_fails_the_terms(
    database: Database,
) -> None:
    await sequencer.run_once(database, KEY, gate(START))
    whole = await files(database)
    book = json.loads(whole[parts.CLEARING])
    book["bids"][0]["price"] += 1_000
    other = json.dumps(book, separators=(",", ":")).encode()
    assert failed({**whole, parts.CLEARING: other}) == {"terms"}
    salt = parts.write_salt(bytes(16))
    assert failed({**whole, parts.CLEARING_SALT: salt}) == {"terms"}
    left = {name: data for name, data in whole.items() if name != parts.CLEARING}
    assert failed(left) == {"terms"}


async def test_a_book_names_no_member(database: Database) -> None:
    await sequencer.run_once(database, KEY, gate(START))
    book = json.loads((await files(database))[parts.CLEARING])
    parties = {order["party"] for order in (*book["asks"], *book["bids"])}
    assert all(len(party) == 16 for party in parties)
