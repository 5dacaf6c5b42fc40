"""A trade's evidence over the API: each side its own, nobody else any."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market.settlement import duty as settlement
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.evidence.archive import read_archive
from meterseal_proto.evidence.tradefile import read_trade
from meterseal_proto.verify import examine, zone_clock
from tests.support.enrolling import GENESIS
from tests.support.marketplace import DEMO
from tests.support.traders import prepare, sell, slot
from tests.support.webhouse import WebHouse, a_house, do_every_duty

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
PATH = "/v1/trades/1/evidence.zip"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await prepare(tx, opened)
            await sell(tx, opened, "ada", {slot(0): 500})
        while await settlement.run_once(opened.db, DEMO, slot(100)):
            pass
        await do_every_duty(opened)
        yield opened


async def test_buyer_seller_and_operator_each_get_a_file_that_passes(
    house: WebHouse,
) -> None:
    for who, whole in (("ada", False), ("bo", True), ("operator", True)):
        answer = await house.ask("GET", PATH, who)
        assert answer.status_code == 200, answer.text
        claims = {one.name: one for one in examine(answer.content, KNOWN)}
        assert Verdict.FAIL not in {one.verdict for one in claims.values()}
        assert claims["payments"].verdict is Verdict.PASS
        assert claims["ledger"].verdict is Verdict.PASS
        files, _ = read_archive(answer.content)
        assert (read_trade(files["trade.json"]).sold is not None) == whole


async def test_nobody_else_gets_a_trades_evidence(house: WebHouse) -> None:
    assert (await house.ask("GET", PATH, "cleo")).status_code == 404
    assert (await house.ask("GET", PATH, "auditor")).status_code == 403
    assert (await house.ask("GET", PATH)).status_code == 401
    none = PATH.replace("/1/", "/99/")
    assert (await house.ask("GET", none, "operator")).status_code == 404
