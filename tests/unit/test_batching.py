"""Batches: they fill or linger, go one at a time, and bound what waits."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from meterseal_aggregator.intake.mqtt.batching import Batching, BatchLimits
from meterseal_aggregator.intake.port import Counters, Incoming, Reply
from tests.support.uplinkrig import Intake


class Sockets:
    """A wire that notes what it is told; what is read is up to the test."""

    def __init__(self) -> None:
        self.held = False
        self.settled: list[Incoming] = []
        self.abandoned: list[Incoming] = []

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False

    def settle(self, batch: Sequence[Incoming], replies: Sequence[Reply]) -> None:
        assert len(replies) == len(batch)
        self.settled += batch

    def abandon(self, batch: Sequence[Incoming]) -> None:
        self.abandoned += batch


def messages(*payloads: bytes) -> list[Incoming]:
    return [Incoming("agent-1", payload, None) for payload in payloads]


class Running:
    """Batching at work over test sockets."""

    def __init__(self, limits: BatchLimits, intake: Intake) -> None:
        self.sockets = Sockets()
        self.counters = Counters()
        self.batching = Batching(limits, self.sockets, self.counters)
        self._intake = intake

    async def __aenter__(self) -> "Running":
        self._task = asyncio.create_task(self.batching.run(self._intake.deliver))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def test_a_full_batch_does_not_linger() -> None:
    intake = Intake()
    async with Running(BatchLimits(linger_s=60, most=3), intake) as work:
        work.batching.put(messages(b"1", b"2"))
        work.batching.put(messages(b"3"))
        await intake.until(lambda: len(intake.committed) == 3)
    assert len(intake.batches) == 1


async def test_messages_within_the_linger_share_a_batch() -> None:
    intake = Intake()
    async with Running(BatchLimits(linger_s=0.05), intake) as work:
        work.batching.put(messages(b"1"))
        await asyncio.sleep(0)
        work.batching.put(messages(b"2"))
        await intake.until(lambda: len(intake.committed) == 2)
    assert len(intake.batches) == 1


async def test_what_came_during_a_commit_is_the_next_batch_up_to_its_size() -> None:
    intake = Intake()
    intake.gate.clear()
    async with Running(BatchLimits(linger_s=0, most=4), intake) as work:
        work.batching.put(messages(b"0"))
        await intake.until(lambda: len(intake.begun) == 1)
        work.batching.put(messages(*[b"%d" % number for number in range(1, 8)]))
        intake.gate.set()
        await intake.until(lambda: len(intake.committed) == 8)
    assert [len(batch) for batch in intake.batches] == [1, 4, 3]
    assert [payload for _, payload in intake.committed] == [b"%d" % n for n in range(8)]


async def test_only_one_batch_is_delivered_at_a_time() -> None:
    intake = Intake()
    intake.gate.clear()
    async with Running(BatchLimits(linger_s=0, most=1), intake) as work:
        work.batching.put(messages(b"1", b"2"))
        await intake.until(lambda: len(intake.begun) == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(intake.begun) == 1
        assert work.sockets.settled == []
        intake.gate.set()
        await intake.until(lambda: len(intake.committed) == 2)


async def test_sockets_are_held_by_count_and_released_again() -> None:
    intake = Intake()
    intake.gate.clear()
    limits = BatchLimits(linger_s=0, most=2, queued=4)
    async with Running(limits, intake) as work:
        work.batching.put(messages(b"0"))
        await intake.until(lambda: len(intake.begun) == 1)
        work.batching.put(messages(b"1", b"2", b"3"))
        assert not work.sockets.held
        work.batching.put(messages(b"4"))
        assert work.sockets.held
        assert work.counters.queued == 4
        intake.gate.set()
        await intake.until(lambda: len(intake.committed) == 5)
        assert not work.sockets.held
    assert work.counters.queued == 0


async def test_sockets_are_held_by_bytes_too() -> None:
    intake = Intake()
    intake.gate.clear()
    limits = BatchLimits(linger_s=0, most=1, queued_bytes=1000)
    async with Running(limits, intake) as work:
        work.batching.put(messages(bytes(999)))
        await intake.until(lambda: len(intake.begun) == 1)
        work.batching.put(messages(bytes(999)))
        assert not work.sockets.held
        work.batching.put(messages(b"!"))
        assert work.sockets.held
        intake.gate.set()
        await intake.until(lambda: len(intake.committed) == 3)
        assert not work.sockets.held


async def test_an_unavailable_intake_is_asked_again_and_at_last_given_up() -> None:
    intake = Intake()
    intake.troubles = 3
    limits = BatchLimits(linger_s=0, retry_s=(0.001, 0.001))
    async with Running(limits, intake) as work:
        work.batching.put(messages(b"1"))
        await intake.until(lambda: len(intake.begun) == 2)
        async with asyncio.timeout(60):
            while not work.sockets.abandoned:
                await asyncio.sleep(0.001)
        assert work.sockets.settled == []
        work.batching.put(messages(b"1"))
        await intake.until(lambda: len(intake.committed) == 1)
    assert work.counters.unavailable_total == 3
    assert work.counters.abandoned_total == 1
