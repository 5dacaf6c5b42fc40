"""One suite, every uplink adapter: ours over MQTT 5, and Mosquitto with MQTT 5 and 3.1.1.

The client is paho, as on a real agent; the intake answers but stores nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_proto.topics import MAX_MESSAGE_BYTES, down_topic, up_topic
from tests.support.mosquitto import Mosquitto
from tests.support.uplinkrig import NETWORK, Intake, Rig

FIVE = MQTTProtocolVersion.MQTTv5
BATCH = BatchLimits(retry_s=(0.01, 0.02, 0.04))
FAILURES = (128, 255)


@pytest.fixture(params=["endpoint", "mosquitto", "mosquitto-3.1.1"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    version = MQTTProtocolVersion.MQTTv311 if "3.1.1" in request.param else FIVE
    if request.param == "endpoint":
        async with Rig(None, version, BATCH) as ours:
            yield ours
        return
    with Mosquitto() as broker:
        async with Rig(broker, version, BATCH) as theirs:
            yield theirs


async def test_a_message_is_delivered_and_its_reply_comes_down(rig: Rig) -> None:
    intake = Intake()
    await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        await agent.until(lambda: agent.downs == [b"receipt:one"])
        await agent.until(lambda: len(agent.acks) == 1)
    assert intake.committed == [("agent-1", b"one")]


async def test_nothing_is_acknowledged_before_deliver_has_returned(rig: Rig) -> None:
    busy, intake = Intake(), Intake()
    busy.gate.clear()
    await rig.start(busy)
    async with rig.agent("agent-1") as agent:
        mid = agent.publish(b"one")
        await busy.until(lambda: len(busy.begun) == 1)
        if rig.broker is None:
            assert agent.acks == []
            busy.gate.set()
            await agent.until(lambda: (mid, 0) in agent.acks)
            return
        # A broker acknowledges for itself; what we owe it shows when we are gone.
        await rig.stop()
        await rig.start(intake)
        await agent.until(lambda: b"receipt:one" in agent.downs)
    assert intake.committed == [("agent-1", b"one")]


async def test_what_was_acknowledged_does_not_come_again(rig: Rig) -> None:
    first, second = Intake(), Intake()
    await rig.start(first)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        await agent.until(lambda: len(agent.downs) == 1 and len(agent.acks) == 1)
        await rig.stop()
        await rig.start(second)
        await agent.until(lambda: len(agent.subacks) == 2 or rig.broker is not None)
        agent.publish(b"two")
        await agent.until(lambda: b"receipt:two" in agent.downs)
    assert second.committed == [("agent-1", b"two")]


async def test_an_unavailable_intake_gets_the_same_batch_again(rig: Rig) -> None:
    intake = Intake()
    intake.troubles = 2
    intake.gate.clear()
    uplink = await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        await intake.until(lambda: len(intake.begun) == 1)
        assert rig.broker is not None or agent.acks == []
        intake.gate.set()
        await agent.until(lambda: len(agent.downs) == 1)
    assert intake.count(b"one") == 1
    assert uplink.counters.unavailable_total == 2
    assert uplink.counters.abandoned_total == 0


async def test_an_abandoned_batch_is_sent_again_by_its_owners(rig: Rig) -> None:
    rig.batch = replace(BATCH, retry_s=(0.01,))
    intake = Intake()
    intake.troubles = 1
    uplink = await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        await agent.until(lambda: len(agent.downs) == 1)
        await agent.until(lambda: len(agent.acks) == 1)
    assert uplink.counters.abandoned_total == 1
    assert intake.count(b"one") == 1


async def test_the_next_aggregator_gets_what_the_last_left_unfinished(rig: Rig) -> None:
    dying, intake = Intake(), Intake()
    dying.gate.clear()
    await rig.start(dying)
    async with rig.agent("agent-1") as agent:
        sent = [b"message %d" % number for number in range(20)]
        for payload in sent:
            agent.publish(payload)
        await dying.until(lambda: len(dying.begun) >= 1)
        await rig.stop()
        await rig.start(intake)
        await agent.until(lambda: len(set(agent.downs)) == len(sent))
    assert dying.batches == []
    assert {payload for _, payload in intake.committed} == set(sent)


async def test_a_message_sent_twice_is_delivered_and_answered_twice(rig: Rig) -> None:
    intake = Intake()
    await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        agent.publish(b"one")
        await agent.until(lambda: agent.downs == [b"receipt:one"] * 2)
    assert intake.count(b"one") == 2


async def test_messages_of_an_agent_keep_their_order_and_share_batches(
    rig: Rig,
) -> None:
    intake = Intake()
    await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        sent = [b"%d" % number for number in range(300)]
        for payload in sent:
            agent.publish(payload)
        await agent.until(lambda: len(agent.downs) == len(sent))
    assert [payload for _, payload in intake.committed] == sent
    assert len(intake.batches) < len(sent)


async def test_a_foreign_topic_is_refused_and_not_delivered(rig: Rig) -> None:
    intake = Intake()
    await rig.start(intake)
    async with rig.agent("agent-1") as agent, rig.agent("agent-2") as other:
        foreign = [
            up_topic(NETWORK, "agent-2"),
            down_topic(NETWORK, "agent-2"),
            down_topic(NETWORK, "agent-1"),
            up_topic("elsewhere", "agent-2"),
            "meterseal/1/street",
        ]
        mids = [agent.publish(b"forged", topic) for topic in foreign]
        agent.publish(b"own")
        await agent.until(lambda: b"receipt:own" in agent.downs)
        await agent.until(lambda: len(agent.acks) == len(foreign) + 1)
        if rig.agent("x").client.protocol == FIVE:
            codes = dict(agent.acks)
            assert all(codes[mid] >= FAILURES[0] for mid in mids)
        assert other.downs == []
    assert intake.committed == [("agent-1", b"own")]


async def test_a_foreign_subscription_brings_nothing(rig: Rig) -> None:
    await rig.start(Intake())
    async with rig.agent("agent-1") as agent, rig.agent("spy") as spy:
        patterns = [down_topic(NETWORK, "agent-1"), "meterseal/#", "#", "$share/x/#"]
        for pattern in patterns:
            spy.subscribe(pattern)
        await spy.until(lambda: len(spy.subacks) == 1 + len(patterns))
        assert rig.broker is not None or min(spy.subacks[1:]) >= FAILURES[0]
        agent.publish(b"mine")
        await agent.until(lambda: b"receipt:mine" in agent.downs)
        spy.publish(b"spy's")
        await spy.until(lambda: b"receipt:spy's" in spy.downs)
        # A broker may grant overlapping filters and repeat what is the spy's own.
        assert set(spy.downs) == {b"receipt:spy's"}


async def test_the_largest_message_is_taken_and_a_larger_one_is_not(rig: Rig) -> None:
    intake = Intake()
    await rig.start(intake)
    largest = bytes(MAX_MESSAGE_BYTES)
    async with rig.agent("agent-1") as agent, rig.agent("agent-2") as other:
        agent.publish(largest)
        await intake.until(lambda: len(intake.committed) == 1)
        agent.client.reconnect_delay_set(60, 60)
        agent.publish(largest + b"!")
        other.publish(b"unharmed")
        await other.until(lambda: b"receipt:unharmed" in other.downs)
        await agent.until(lambda: len(agent.losses) == 1 or len(agent.acks) == 2)
    assert intake.committed == [("agent-1", largest), ("agent-2", b"unharmed")]


async def test_a_second_connection_of_an_agent_takes_the_first_ones_place(
    rig: Rig,
) -> None:
    await rig.start(Intake())
    async with rig.agent("agent-1") as first:
        first.client.reconnect_delay_set(60, 60)
        async with rig.agent("agent-1") as second:
            await first.until(lambda: len(first.losses) == 1)
            second.publish(b"one")
            await second.until(lambda: second.downs == [b"receipt:one"])
    assert first.downs == []


async def test_many_agents_each_get_their_own_answers(rig: Rig) -> None:
    intake = Intake()
    await rig.start(intake)
    agents = [rig.agent(f"agent-{number}") for number in range(30)]
    await asyncio.gather(*(agent.__aenter__() for agent in agents))
    for agent in agents:
        for number in range(20):
            agent.publish(f"{agent.name}/{number}".encode())
    for agent in agents:
        await agent.until(lambda agent=agent: len(agent.downs) >= 20)  # type: ignore[misc]
        answers = [f"receipt:{agent.name}/{number}".encode() for number in range(20)]
        assert agent.downs == answers
    await asyncio.gather(*(agent.__aexit__() for agent in agents))
    assert all(payload.startswith(name.encode()) for name, payload in intake.committed)


async def test_a_slow_intake_holds_its_agents_back_and_loses_nothing(rig: Rig) -> None:
    rig.batch = replace(BATCH, most=10, queued=20)
    intake = Intake()
    intake.gate.clear()
    uplink = await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        sent = [b"%d" % number + bytes(20_000) for number in range(200)]
        for payload in sent:
            agent.publish(payload)
        await intake.until(lambda: len(intake.begun) == 1 or len(intake.begun) == 10)
        async with asyncio.timeout(60):
            while uplink.counters.queued < 10:
                await asyncio.sleep(0.005)
        # One slice of a socket may come after the limit was met, but no more; a
        # broker stops before it, at our Receive Maximum.
        assert uplink.counters.received_total < 100
        intake.gate.set()
        await agent.until(lambda: len(agent.downs) == len(sent))
    assert [payload for _, payload in intake.committed] == sent
    assert uplink.counters.queued == 0


async def test_an_answer_to_an_agent_that_is_gone_harms_nobody(rig: Rig) -> None:
    intake = Intake()
    intake.gate.clear()
    await rig.start(intake)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        await intake.until(lambda: len(intake.begun) == 1)
    intake.gate.set()
    await intake.until(lambda: len(intake.committed) == 1)
    async with rig.agent("agent-2") as other:
        other.publish(b"two")
        await other.until(lambda: other.downs == [b"receipt:two"])


async def test_a_bug_in_intake_ends_the_adapter_without_acknowledging(rig: Rig) -> None:
    broken, intake = Intake(), Intake()

    async def deliver(batch: object) -> list[object]:
        raise ZeroDivisionError

    broken.deliver = deliver  # type: ignore[method-assign,assignment]
    await rig.start(broken)
    async with rig.agent("agent-1") as agent:
        agent.publish(b"one")
        with pytest.raises(ExceptionGroup) as fell:
            await rig.ended()
        assert fell.group_contains(ZeroDivisionError)
        assert rig.broker is not None or agent.acks == []
        await rig.start(intake)
        await agent.until(lambda: b"receipt:one" in agent.downs)
    assert intake.count(b"one") == 1
