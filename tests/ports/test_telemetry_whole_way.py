"""Telemetry's whole way: meter to ring, to the endpoint, to the database, to a tenant; and
back again when the aggregator has lost some of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.model import Applied, Stored
from meterseal_agent.run.telemetry import Plan, Telemetry
from meterseal_agent.sampler import Clock
from meterseal_agent.telemetry.tellable import Mode
from meterseal_agent.uplink.address import Address
from meterseal_agent.uplink.beside import Courier
from meterseal_agent.uplink.deliver import Beside, Peer, Uplink
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Reply
from meterseal_proto.backfill import sign_backfill
from meterseal_proto.receipt import Receipt
from meterseal_proto.units import IMPORT, MeterId
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.webhouse import LATER, WebHouse, a_lived_in_house

WAIT_S = 60.0
MINUTES = 10
BEGAN = LATER - MINUTES * 60


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await happened():
            await asyncio.sleep(0.02)


async def nothing_due(_room: int, _busy: frozenset[tuple[int, int]]) -> list[Stored]:
    return []


async def no_receipts(_receipt: Receipt) -> Applied:
    return Applied()


async def no_seals(_batch: object) -> list[Reply]:
    return []


async def told(house: WebHouse) -> list[int]:
    """Return when Cleo's meter showed something, as she is told."""
    path = f"/v1/meters/{house.meter}/telemetry?limit=1000&from={BEGAN}"
    page = await house.get(path, "cleo")
    return [item["at"] for item in page["items"]]


@asynccontextmanager
async def living(
    house: WebHouse, folder: Path
) -> AsyncIterator[tuple[Endpoint, Telemetry]]:
    """Run endpoint and desk of the aggregator, telemetry and uplink of home-1."""
    endpoint = Endpoint(EndpointSettings("street", port=0), house.desk.take)
    endpoint.listen()
    telemetry = Telemetry(folder, lambda: LATER, lambda: None)
    meter = MeterId(bytes.fromhex(house.meter))
    telemetry.plan({meter: Plan(10, {IMPORT: Mode.OPEN})})
    address = Address("127.0.0.1", endpoint.port)
    peer = Peer(address, "street", "home-1", GENESIS.network, LOG_KEY.public_key())
    beside = Beside(Courier(telemetry.next_post), telemetry.asked)
    uplink = Uplink(peer, nothing_due, no_receipts, beside)
    duties = (
        endpoint.run(no_seals),
        house.desk.run(),
        telemetry.run(),
        uplink.run(),
    )
    tasks = [asyncio.create_task(duty) for duty in duties]
    try:
        yield endpoint, telemetry
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await telemetry.close()


async def lose_some(house: WebHouse) -> None:
    """Let the aggregator lose what it was told of some minutes."""
    async with house.db.transaction() as tx:
        lost = await tx.rows(
            "DELETE FROM telemetry WHERE begin_at >= ? AND end_at < ? RETURNING 1",
            (BEGAN + 120, LATER - 120),
        )
    assert len(lost) >= 4


async def test_what_the_aggregator_loses_it_asks_for_and_gets_again(
    tmp_path: Path,
) -> None:
    async with (
        a_lived_in_house(tmp_path) as house,
        living(house, tmp_path) as (endpoint, telemetry),
    ):
        expected = [BEGAN + 10 * i for i in range(6 * MINUTES)]
        for at in expected:
            sample = Sample(at, {IMPORT: at}, 300, {})
            meter = MeterId(bytes.fromhex(house.meter))
            telemetry.take(meter, sample, Clock.TRUSTED)

        async def whole() -> bool:
            return await told(house) == expected

        await until(whole)
        path = f"/v1/meters/{house.meter}/telemetry"
        gaps = f"{path}/gaps?from={BEGAN}&to={LATER - 60}"
        assert (await house.get(gaps, "cleo"))["gaps"] == []
        await lose_some(house)
        (missing,) = (await house.get(gaps, "cleo"))["gaps"]
        body = {"begin": BEGAN, "end": LATER}
        answer = await house.post(f"{path}/backfill", "operator", body)
        assert answer.status_code == 202
        assert missing in answer.json()["asked"]
        (asked,) = house.asked
        assert endpoint.tell(Reply("home-1", sign_backfill(asked, LOG_KEY)))
        await until(whole)
        assert (await house.get(gaps, "cleo"))["gaps"] == []

        async def quiet() -> bool:
            state = await telemetry.state()
            return state is not None and state.batches == 0

        await until(quiet)
        await telemetry.asked(asked)
        assert await quiet(), "a request that is repeated lays nothing out again"
