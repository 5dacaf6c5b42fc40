"""Telemetry beside the seals, over the endpoint and over a broker, there and asked for again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.model import Applied, Stored
from meterseal_agent.run.telemetry import Plan, Telemetry
from meterseal_agent.sampler import Clock
from meterseal_agent.telemetry.collect import BATCH_S
from meterseal_agent.telemetry.tellable import Mode
from meterseal_agent.uplink.address import Address, Protocol
from meterseal_agent.uplink.beside import Courier, Post
from meterseal_agent.uplink.deliver import Beside, Peer, Uplink
from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.port import BesideMessage, Reply
from meterseal_proto.backfill import Backfill, Wanted, sign_backfill
from meterseal_proto.receipt import Receipt
from meterseal_proto.spans import Span, seconds, union
from meterseal_proto.telemetry import decode_batch
from meterseal_proto.units import IMPORT, MeterId
from tests.support.boxes import PUBLIC, opened, put, records, sealer
from tests.support.mosquitto import Mosquitto
from tests.support.oracle import AGENT, NETWORK, Oracle, start
from tests.support.uplinkrig import NETWORK as NETWORK_NAME
from tests.support.uplinkrig import Rig

WAIT_S = 60.0
ONE = start(PUBLIC)
BEGAN = ONE.head.end
METER = ONE.meter


class House:
    """An agent with telemetry and an outbox, and what an aggregator was told."""

    def __init__(self, folder: Path, address: Address, oracle: Oracle) -> None:
        self.told: list[BesideMessage] = []
        self.room = True
        self.now = float(BEGAN)
        self.box = opened(folder, [ONE])
        self._sealer = sealer(self.box)
        self.telemetry = Telemetry(folder, lambda: self.now, lambda: None)
        self.telemetry.plan({METER: Plan(10, {IMPORT: Mode.OPEN})})
        self.courier = Courier(self.telemetry.next_post)
        peer = Peer(address, NETWORK_NAME, AGENT, NETWORK, oracle.key.public_key())
        self.uplink = Uplink(
            peer, self._due, self._apply, Beside(self.courier, self.telemetry.asked)
        )

    def take(self, told: BesideMessage) -> bool:
        """Be the aggregator's desk."""
        if self.room:
            self.told.append(told)
        return self.room

    async def _due(self, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        return self._sealer.due(room=room, busy=busy)

    async def _apply(self, receipt: Receipt) -> Applied:
        return self.box.apply(receipt, now=int(self.now))

    def live(self, minutes: int) -> None:
        """Let the meter show something every ten seconds."""
        for _ in range(6 * minutes):
            sample = Sample(int(self.now), {IMPORT: int(self.now)}, 300, {})
            self.telemetry.take(METER, sample, Clock.TRUSTED)
            self.now += 10

    @property
    def waiting(self) -> int:
        """Records and seals that still wait."""
        return sum(d.records + d.seals for d in self.box.depths())

    @property
    def covered(self) -> int:
        """Seconds of which the aggregator knows all there is."""
        batches = [decode_batch(t.payload) for t in self.told if t.kind == "tel"]
        return seconds(union(b.span for b in batches))


@pytest.fixture(params=["endpoint", "mosquitto", "mosquitto-3.1.1"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig, Protocol]]:
    speaks = Protocol.V311 if request.param.endswith("3.1.1") else Protocol.V5
    limits = BatchLimits()
    if request.param == "endpoint":
        async with Rig(None, MQTTProtocolVersion.MQTTv5, limits) as made:
            yield made, speaks
    else:
        with Mosquitto() as broker:
            async with Rig(broker, MQTTProtocolVersion.MQTTv5, limits) as made:
                yield made, speaks


@asynccontextmanager
async def living(
    folder: Path, rig: tuple[Rig, Protocol], oracle: Oracle
) -> AsyncIterator[House]:
    made, speaks = rig
    desk: list[House] = []

    def take(told: BesideMessage) -> bool:
        return desk[0].take(told)

    made.told = take
    await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    address = Address("127.0.0.1", made._port, protocol=speaks)
    house = House(folder, address, oracle)
    desk.append(house)
    tasks = [
        asyncio.create_task(house.telemetry.run()),
        asyncio.create_task(house.uplink.run()),
    ]
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await house.telemetry.close()
        house.box.close()


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not happened():
            await asyncio.sleep(0.01)


async def test_all_telemetry_arrives_and_comes_again_when_it_is_asked_for(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    async with living(tmp_path, rig, oracle) as house:
        house.live(minutes=30)
        await until(lambda: house.covered >= 29 * BATCH_S)
        assert {t.agent for t in house.told} == {AGENT}
        state = await house.telemetry.state()
        assert state is not None
        assert state.dropped == 0
        before = len(house.told)
        span = Span(BEGAN + 5 * BATCH_S, BEGAN + 7 * BATCH_S)
        stale = Span(BEGAN + 20 * BATCH_S, BEGAN + 22 * BATCH_S)
        until_s = int(house.now) + 60
        for asked in (
            Backfill(NETWORK, AGENT, int(house.now) - 1, (Wanted(METER, stale),)),
            Backfill(NETWORK, "another", until_s, (Wanted(METER, stale),)),
            Backfill(NETWORK, AGENT, until_s, (Wanted(METER, span),)),
        ):
            uplink = rig[0].uplink
            assert uplink is not None
            assert uplink.tell(Reply(AGENT, sign_backfill(asked, oracle.key)))
        await until(lambda: house.uplink.counters.backfills == 2)
        await until(lambda: len(house.told) >= before + 2)
        again = [decode_batch(t.payload) for t in house.told[before:]]
        assert seconds(b.span for b in again) <= 4 * BATCH_S
        assert all(b.span.begin < span.end and b.span.end > span.begin for b in again)
        assert house.uplink.counters.forged == 1


async def test_seals_go_first_and_telemetry_never_holds_one_up(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    async with living(tmp_path, rig, oracle) as house:
        house.room = False
        house.live(minutes=10)
        await until(
            lambda: house.courier.counters.refused > 0 or rig[0].broker is not None
        )
        put(house.box, records(ONE, [7] * 250))
        house.uplink.wake()
        await until(lambda: oracle.accepted == 250)
        await until(lambda: house.waiting == 0)


async def test_while_seals_are_due_no_telemetry_is_begun() -> None:
    begun: list[str] = []

    async def next_post() -> Post | None:
        begun.append("asked")
        return None

    courier = Courier(next_post)
    courier.settled(quiet=False)
    task = asyncio.create_task(courier.run(None))  # type: ignore[arg-type]  # no post
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == []
    courier.settled(quiet=True)
    await until(lambda: begun == ["asked"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_meter_without_a_plan_leaves_no_trace(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path, lambda: BEGAN, lambda: None)
    sample = Sample(BEGAN, {IMPORT: 5}, 300, {})
    telemetry.take(METER, sample, Clock.TRUSTED)
    telemetry.plan({MeterId(bytes(16)): Plan(10, {IMPORT: Mode.COMMITTED})})
    telemetry.take(MeterId(bytes(16)), sample, Clock.TRUSTED)
    assert telemetry.counters.samples == 0
    await telemetry.close()
    assert list(tmp_path.iterdir()) == []


async def test_before_the_clock_is_set_no_telemetry_is_kept(tmp_path: Path) -> None:
    telemetry = Telemetry(tmp_path, lambda: BEGAN, lambda: None)
    telemetry.plan({METER: Plan(10, {IMPORT: Mode.OPEN})})
    telemetry.take(METER, Sample(BEGAN, {IMPORT: 5}, 300, {}), Clock.UNSET)
    assert telemetry.counters.samples == 0
    telemetry.take(METER, Sample(BEGAN, {IMPORT: 5}, 300, {}), Clock.DOUBTFUL)
    assert telemetry.counters.samples == 1
    await telemetry.close()
