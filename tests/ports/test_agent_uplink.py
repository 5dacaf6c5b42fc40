"""The agent's uplink against real brokers and the aggregator's own endpoint.

A small aggregator judges by intake's rules and signs receipts; only those empty the
outbox.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_agent.outbox.model import Applied, Start, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.seal import Sealer
from meterseal_agent.uplink import deliver
from meterseal_agent.uplink.address import Address, Protocol
from meterseal_agent.uplink.deliver import (
    BACKOFF_CAP_S,
    RESEND_S,
    WINDOW,
    Peer,
    Uplink,
    backoff,
)
from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_proto.errors import Reason
from meterseal_proto.receipt import Receipt
from tests.support.boxes import PUBLIC, opened, put, records, sealer
from tests.support.mosquitto import Mosquitto
from tests.support.oracle import AGENT, NETWORK, Oracle, start, starts
from tests.support.uplinkrig import NETWORK as NETWORK_NAME
from tests.support.uplinkrig import Rig

WAIT_S = 60.0
NOW = 1_800_000_000
ONE = start(PUBLIC)


class Side:
    """An agent's outbox, sealer and uplink, without meters."""

    def __init__(
        self, folder: Path, found: Sequence[Start], oracle: Oracle, address: Address
    ) -> None:
        self.box: Outbox = opened(folder, found)
        self.sealer: Sealer = sealer(self.box)
        self.thread = FileThread("outbox")
        self.changed = asyncio.Event()
        peer = Peer(address, NETWORK_NAME, AGENT, NETWORK, oracle.key.public_key())
        self.uplink = Uplink(peer, self._due, self._apply)

    async def _due(self, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        return await self.thread.do(self.sealer.due, room=room, busy=busy)

    async def _apply(self, receipt: Receipt) -> Applied:
        applied = await self.thread.do(self.box.apply, receipt, now=NOW)
        self.changed.set()
        return applied

    async def waiting(self) -> int:
        """Return how many records and seals still wait."""
        depths = await self.thread.do(self.box.depths)
        return sum(depth.records + depth.seals for depth in depths)

    async def until_empty(self) -> None:
        """Wait until everything is answered."""
        async with asyncio.timeout(WAIT_S):
            while await self.waiting():
                self.changed.clear()
                await self.changed.wait()

    def close(self) -> None:
        self.thread.close()
        self.box.close()


@asynccontextmanager
async def running(side: Side) -> AsyncIterator[Side]:
    task = asyncio.create_task(side.uplink.run())
    try:
        yield side
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        side.close()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(WAIT_S):
        while not happened():
            await asyncio.sleep(0.01)


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


def address(rig: Rig, speaks: Protocol = Protocol.V5) -> Address:
    return Address("127.0.0.1", rig._port, protocol=speaks)


class Deaf:
    """Intake's port without receipts, until it hears."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.hears = False
        self.got: list[bytes] = []

    async def deliver(self, batch: Sequence[Incoming]) -> Sequence[Reply]:
        self.got += [one.payload for one in batch]
        return await self.oracle.deliver(batch) if self.hears else []


async def test_a_backlog_drains_and_every_interval_is_counted_once(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    found = starts(PUBLIC, 2)
    oracle = Oracle(PUBLIC)
    oracle.enrol(found)
    await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, found, oracle, address(made, speaks))
    for one in found:
        put(side.box, records(one, [3] * 950))
    began = asyncio.get_running_loop().time()
    async with running(side):
        await side.until_empty()
        took = asyncio.get_running_loop().time() - began
        assert oracle.accepted == 4 * 950
        assert oracle.reasons == []
        assert set(oracle.counted.values()) == {3 * 950}
        assert all(len(shown) == 1 for shown in oracle.shown.values())
        assert len(oracle.shown) == 4 * 10, "a hundred intervals a seal"
        assert 950 * 900 / took > 100, "a hundred times faster than real time"


async def test_one_interval_is_one_seal_as_soon_as_it_is_there(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, [ONE], oracle, address(made, speaks))
    async with running(side):
        for record in records(ONE, [7, 8, 9]):
            await side.thread.do(put, side.box, [record])
            side.uplink.wake()
            await side.until_empty()
        assert [seq for _, _, seq in oracle.shown] == [1, 2, 3]
        assert side.uplink.counters.resent == 0


async def test_without_a_receipt_nothing_goes_though_the_broker_acknowledged(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    oracle = Oracle(PUBLIC)
    found = starts(PUBLIC, WINDOW)
    oracle.enrol(found)
    deaf = Deaf(oracle)
    await made.start(deaf)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, found, oracle, address(made, speaks))
    for one in found:
        put(side.box, records(one, [1]))
    async with running(side):
        await until(lambda: len(deaf.got) == WINDOW)
        assert await side.waiting() == 2 * WINDOW, "the window is full, none is gone"
        deaf.hears = True
        await made.stop()
        await made.start(deaf)  # type: ignore[arg-type]  # deliver is all it uses
        side.uplink._patience = 0
        await side.until_empty()
        assert oracle.accepted == 2 * WINDOW
        assert all(len(shown) == 1 for shown in oracle.shown.values())
        sent_twice = [p for p in deaf.got[:WINDOW] if deaf.got.count(p) > 1]
        assert len(sent_twice) == WINDOW, "the same bytes, sent again"


async def test_what_the_receipt_key_did_not_sign_is_not_believed(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    oracle, forger = Oracle(PUBLIC), Oracle(PUBLIC)
    oracle.enrol([ONE])
    forger.enrol([ONE])
    await made.start(forger)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, [ONE], oracle, address(made, speaks))
    put(side.box, records(ONE, [1]))
    async with running(side):
        await until(lambda: side.uplink.counters.forged > 0)
        assert await side.waiting() == 1
        assert side.uplink.counters.answered == 0


async def test_a_receipt_of_another_network_is_not_believed(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    oracle.receipts_of = bytes(32)
    await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, [ONE], oracle, address(made, speaks))
    put(side.box, records(ONE, [1]))
    async with running(side):
        await until(lambda: side.uplink.counters.forged > 0)
        assert await side.waiting() == 1


async def test_a_receipt_for_another_agent_is_not_believed(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    oracle.receipts_to = "another"
    await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    side = Side(tmp_path, [ONE], oracle, address(made, speaks))
    put(side.box, records(ONE, [1]))
    async with running(side):
        await until(lambda: side.uplink.counters.forged > 0)
        assert await side.waiting() == 1


async def test_a_refusal_that_is_not_final_is_tried_again_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many meters as the window is wide are unknown to the aggregator for a while."""
    monkeypatch.setattr(deliver, "RESEND_S", 0.2)
    oracle = Oracle(PUBLIC)
    found = starts(PUBLIC, WINDOW)
    oracle.enrol(found)
    for one in found[:WINDOW]:
        old = oracle.chains[one.meter, one.register]
        old.claim = replace(old.claim, agent="another")
    limits = BatchLimits()
    async with Rig(None, MQTTProtocolVersion.MQTTv5, limits) as made:
        await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
        side = Side(tmp_path, found, oracle, address(made))
        for n, one in enumerate(found):
            put(side.box, records(one, [1] * (2 if n < WINDOW else 1)))
        async with running(side):
            await until(lambda: side.uplink.counters.answered == WINDOW)
            assert side.uplink.counters.held_back["unknown-meter"] >= WINDOW
            for chain in oracle.chains.values():
                chain.claim = replace(chain.claim, agent=AGENT)
            await side.until_empty()
            assert all(len(shown) == 1 for shown in oracle.shown.values())
            assert not side.uplink._resting


async def test_each_rest_of_a_refused_seal_is_twice_as_long_and_has_an_end(
    tmp_path: Path,
) -> None:
    side = Side(tmp_path, [ONE], Oracle(PUBLIC), Address("127.0.0.1", 9))
    uplink, now, rests = side.uplink, asyncio.get_running_loop().time(), []
    for _ in range(9):
        for twins in range(3):
            if not twins:
                uplink._flight[1, 1] = now
            uplink._rest((1, 1), Reason.BAD_SIGNATURE)
        rests.append(round(uplink._resting[1, 1] - now))
    side.close()
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]


async def test_after_a_reconnection_nothing_waits_for_its_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "RESEND_S", 4 * WAIT_S)
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    deaf = Deaf(oracle)
    limits = BatchLimits()
    async with Rig(None, MQTTProtocolVersion.MQTTv5, limits) as made:
        await made.start(deaf)  # type: ignore[arg-type]  # deliver is all it uses
        side = Side(tmp_path, [ONE], oracle, address(made))
        put(side.box, records(ONE, [1]))
        async with running(side):
            await until(lambda: len(deaf.got) == 1)
            deaf.hears = True
            await made.stop()
            await until(lambda: not side.uplink.counters.connected)
            await made.start(deaf)  # type: ignore[arg-type]  # deliver is all it uses
            await until(lambda: side.uplink.counters.connected)
            await side.until_empty()


async def test_the_uplink_outlives_its_broker(tmp_path: Path) -> None:
    oracle = Oracle(PUBLIC)
    oracle.enrol([ONE])
    with Mosquitto() as broker:
        limits = BatchLimits()
        async with Rig(broker, MQTTProtocolVersion.MQTTv5, limits) as made:
            await made.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
            side = Side(tmp_path, [ONE], oracle, address(made))
            found = records(ONE, [1] * 4)
            async with running(side):
                await side.thread.do(put, side.box, found[:1])
                await side.until_empty()
                broker.stop()
                await until(lambda: not side.uplink.counters.connected)
                await side.thread.do(put, side.box, found[1:])
                broker.start()
                await side.until_empty()
                assert oracle.accepted == 4
                assert side.uplink.counters.connections >= 2


async def test_nobody_there_is_said_and_tried_again(tmp_path: Path) -> None:
    oracle = Oracle(PUBLIC)
    side = Side(tmp_path, [ONE], oracle, Address("127.0.0.1", 9))
    async with running(side):
        await until(lambda: side.uplink.counters.trouble != "")
        assert "127.0.0.1:9" in side.uplink.counters.trouble


def test_the_wait_before_dialling_doubles_is_jittered_and_has_an_end() -> None:
    for fails in range(100):
        low, high = backoff(fails, 0.0), backoff(fails, 0.999)
        assert low < high <= BACKOFF_CAP_S
    assert backoff(3, 0.5) == 2 * backoff(2, 0.5)
    assert RESEND_S < BACKOFF_CAP_S
