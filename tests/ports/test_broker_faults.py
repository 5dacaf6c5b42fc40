"""The broker adapter and brokers as they are: early, greedy, restarted, or wrong.

Where a real Mosquitto cannot be made to misbehave on demand, a scripted broker on the
same codec does what one was seen doing.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import mqtt5

from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES, PacketReader
from meterseal_proto.topics import up_topic
from tests.support.mosquitto import Mosquitto
from tests.support.pahoagent import PahoAgent
from tests.support.uplinkrig import Intake, connected

GRANTED = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
SUBACK = mqtt5.SubAckPacket(1, GRANTED).write()
BATCH = BatchLimits(linger_s=0.001)


class ScriptedBroker:
    """Accepts connections one after the other; the test says every word."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Conversation] = asyncio.Queue()
        self._talks: list[Conversation] = []
        self.port = 0

    async def __aenter__(self) -> "ScriptedBroker":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            await talk.hang_up()

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        talk = Conversation(reader, writer)
        self._talks.append(talk)
        self._arrived.put_nowait(talk)

    async def next(self, *, session_present: bool = False) -> "Conversation":
        """Return the next connection, after its CONNECT was answered with success."""
        async with asyncio.timeout(60):
            talk = await self._arrived.get()
        assert isinstance(await talk.hear(), mqtt5.ConnectPacket)
        talk.say(mqtt5.ConnAckPacket(session_present=session_present).write())
        return talk


class Conversation:
    """One connection, heard packet by packet."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer
        self._packets = PacketReader(MAX_PACKET_BYTES)
        self._waiting: list[mqtt5.Packet] = []

    def say(self, *packets: bytes) -> None:
        self._writer.write(b"".join(packets))

    async def hear(self) -> mqtt5.Packet:
        async with asyncio.timeout(60):
            while not self._waiting:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._waiting += self._packets.feed(data)
        return self._waiting.pop(0)

    async def hang_up(self) -> None:
        self._writer.transport.abort()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def publish(packet_id: int, payload: bytes, topic: str = "") -> bytes:
    return mqtt5.PublishPacket(
        topic or up_topic("street", "agent-1"),
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
    ).write()


@asynccontextmanager
async def running(settings: BrokerSettings, intake: Intake) -> AsyncIterator[Broker]:
    broker = Broker(settings)
    task = asyncio.create_task(broker.run(intake.deliver))
    try:
        yield broker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_a_resumed_session_sends_before_suback_is_delivered() -> None:
    intake = Intake()
    async with ScriptedBroker() as server:
        settings = BrokerSettings("street", port=server.port, batch=BATCH)
        async with running(settings, intake):
            talk = await server.next(session_present=True)
            talk.say(publish(5, b"early"))
            assert isinstance(await talk.hear(), mqtt5.SubscribePacket)
            ack = await talk.hear()
            assert isinstance(ack, mqtt5.PubAckPacket)
            assert ack.packet_id == 5
            talk.say(SUBACK)
            reply = await talk.hear()
            assert isinstance(reply, mqtt5.PublishPacket)
            assert reply.topic == "meterseal/1/street/agent-1/down"


async def test_more_in_flight_than_announced_is_taken_all_the_same() -> None:
    intake = Intake()
    async with ScriptedBroker() as server:
        batch = replace(BATCH, most=10)
        settings = BrokerSettings("street", port=server.port, batch=batch)
        async with running(settings, intake):
            talk = await server.next()
            talk.say(SUBACK, *(publish(n, b"%d" % n) for n in range(1, 101)))
            await intake.until(lambda: len(intake.committed) == 100)


async def test_what_is_no_reading_is_acknowledged_and_not_delivered() -> None:
    odd = [
        up_topic("elsewhere", "agent-1"),
        "meterseal/1/street/agent-1/down",
        "meterseal/1/street/no.agent/up",
        "something/else",
    ]
    intake = Intake()
    async with ScriptedBroker() as server:
        settings = BrokerSettings("street", port=server.port, batch=BATCH)
        async with running(settings, intake) as broker:
            talk = await server.next()
            talk.say(*(publish(n, b"x", topic) for n, topic in enumerate(odd, 1)))
            await talk.hear()
            acks = [await talk.hear() for _ in odd]
            assert all(isinstance(ack, mqtt5.PubAckPacket) for ack in acks)
            assert broker.counters.foreign_total == len(odd)
    assert intake.begun == []


async def test_an_unacknowledged_reply_is_repeated_in_a_resumed_session() -> None:
    intake = Intake()
    async with ScriptedBroker() as server:
        settings = BrokerSettings("street", port=server.port, batch=BATCH)
        async with running(settings, intake):
            talk = await server.next()
            talk.say(SUBACK, publish(1, b"one"))
            heard = [await talk.hear() for _ in range(3)]
            await talk.hang_up()
            talk = await server.next(session_present=True)
            again = await talk.hear()
    (first,) = [one for one in heard if isinstance(one, mqtt5.PublishPacket)]
    assert isinstance(again, mqtt5.PublishPacket)
    assert again.duplicate
    assert (again.packet_id, again.payload) == (first.packet_id, first.payload)


async def test_a_reply_that_the_broker_answers_with_nonsense_is_not_repeated() -> None:
    intake = Intake()
    async with ScriptedBroker() as server:
        settings = BrokerSettings("street", port=server.port, batch=BATCH)
        async with running(settings, intake) as broker:
            talk = await server.next()
            talk.say(SUBACK, publish(1, b"one"))
            for _ in range(3):
                await talk.hear()
            talk.say(b"\x40\x04\x00\x01\x95\x00")  # As Mosquitto 2.0.11 does.
            talk = await server.next(session_present=True)
            assert isinstance(await talk.hear(), mqtt5.SubscribePacket)
            talk.say(SUBACK, publish(2, b"two"))
            heard = [await talk.hear() for _ in range(2)]
    replies = [one.payload for one in heard if isinstance(one, mqtt5.PublishPacket)]
    assert replies == [b"receipt:two"]
    assert broker.counters.replies_dropped_total == 1


async def test_broken_bytes_and_refusals_only_lead_to_dialling_again() -> None:
    refusal = mqtt5.ConnAckReasonCode.NOT_AUTHORIZED
    async with ScriptedBroker() as server:
        settings = BrokerSettings("street", port=server.port, batch=BATCH)
        async with running(settings, Intake()) as broker:
            for words in (
                b"\x00\x00",
                mqtt5.ConnAckPacket(reason_code=refusal).write(),
                mqtt5.DisconnectPacket().write(),
                mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write(),
                b"\x30\xff\xff\xff\x7f",
            ):
                talk = await server.next()
                talk.say(words)
                with suppress(EOFError):
                    while True:
                        await talk.hear()
            assert broker.counters.connected_total == 0
            talk = await server.next()


async def test_a_killed_broker_is_dialled_again_and_the_agent_is_answered() -> None:
    intake = Intake()
    with Mosquitto() as mosquitto:
        settings = BrokerSettings(
            "street",
            port=mosquitto.port,
            username="meterseal.aggregator",
            batch=BATCH,
        )
        async with (
            running(settings, intake) as broker,
            PahoAgent("agent-1", mosquitto.port) as agent,
        ):
            await connected(broker)
            agent.publish(b"one")
            await agent.until(lambda: len(agent.downs) == 1)
            mosquitto.stop(signal.SIGKILL)
            await agent.until(lambda: len(agent.losses) >= 1)
            mosquitto.start()
            await agent.until(lambda: len(agent.subacks) >= 2)
            await connected(broker, times=2)
            agent.publish(b"two")
            await agent.until(lambda: b"receipt:two" in agent.downs)


async def test_an_agent_that_does_not_know_the_share_takes_nothing_away() -> None:
    intake = Intake()
    with Mosquitto() as mosquitto:
        settings = BrokerSettings(
            "street",
            port=mosquitto.port,
            username="meterseal.aggregator",
            batch=BATCH,
            share="kept-to-ourselves",
        )
        async with (
            running(settings, intake) as broker,
            PahoAgent("agent-9", mosquitto.port) as thief,
            PahoAgent("agent-1", mosquitto.port) as agent,
        ):
            await connected(broker)
            thief.subscribe("$share/aggregator/meterseal/1/street/+/up")
            await thief.until(lambda: len(thief.subacks) == 2)
            sent = [b"%d" % number for number in range(20)]
            for payload in sent:
                agent.publish(payload)
            await agent.until(lambda: len(agent.downs) == len(sent))
            assert thief.downs == []
    assert [payload for _, payload in intake.committed] == sent


async def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_bytes(b"not for the log\n")
    async with ScriptedBroker() as server:
        settings = BrokerSettings(
            "street", port=server.port, username="aggregator", password_file=secret
        )
        async with running(settings, Intake()):
            async with asyncio.timeout(60):
                talk = await server._arrived.get()
            connect = await talk.hear()
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert connect.password == b"not for the log"
    assert not connect.clean_start
    assert connect.session_expiry_interval > 0
