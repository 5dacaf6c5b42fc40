"""Our endpoint and peers that are no agents: hostile, slow, old, or merely wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import mqtt5
import pytest

from meterseal_aggregator.intake.mqtt import etiquette
from meterseal_aggregator.intake.mqtt.admission import DoorLimits
from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.mqtt.stream import WRITE_BYTES
from meterseal_proto.topics import down_topic, up_topic
from tests.support.panics import silent_panics
from tests.support.rawpeer import RawPeer
from tests.support.uplinkrig import Intake

UP, DOWN = up_topic("street", "agent-1"), down_topic("street", "agent-1")
ONE, TWO = mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE
CONNACK, REASON = mqtt5.ConnAckReasonCode, mqtt5.DisconnectReasonCode
SETTINGS = EndpointSettings("street", port=0)


@asynccontextmanager
async def serving(
    intake: Intake, settings: EndpointSettings = SETTINGS
) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(settings)
    endpoint.listen()
    running = asyncio.create_task(endpoint.run(intake.deliver))
    try:
        yield endpoint
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def publish(packet_id: int, payload: bytes = b"x", topic: str = UP) -> bytes:
    packet = mqtt5.PublishPacket(topic, payload, qos=ONE, packet_id=packet_id)
    return packet.write()


def subscribe(*patterns: str, subscription_id: int | None = None) -> bytes:
    wanted = [mqtt5.TopicFilter(pattern) for pattern in patterns]
    return mqtt5.SubscribePacket(9, wanted, subscription_id=subscription_id).write()


async def is_served(endpoint: Endpoint, name: str = "neighbour") -> None:
    """An honest agent still gets its PUBACK and its reply."""
    async with RawPeer(endpoint.port) as agent:
        await agent.connect(name)
        agent.send(subscribe(down_topic("street", name)))
        await agent.packet()
        agent.send(publish(7, b"honest", up_topic("street", name)))
        ack, reply = await agent.packet(), await agent.packet()
        assert isinstance(ack, mqtt5.PubAckPacket)
        assert ack.packet_id == 7
        assert isinstance(reply, mqtt5.PublishPacket)
        assert reply.payload == b"receipt:honest"


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.005)


async def test_the_welcome_says_what_is_available_and_keeps_no_session() -> None:
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        welcome = await peer.connect(
            "agent-1", clean_start=False, session_expiry_interval=600, keep_alive=0
        )
        assert welcome.reason_code == CONNACK.SUCCESS
        assert not welcome.session_present
        assert welcome.session_expiry_interval == 0
        assert welcome.receive_max == etiquette.RECEIVE_MAXIMUM
        assert welcome.max_packet_size == MAX_PACKET_BYTES
        assert welcome.max_qos == ONE
        assert welcome.server_keep_alive == etiquette.MAX_KEEP_ALIVE_S
        assert welcome.topic_alias_max == 0
        assert not welcome.retain_available
        assert not welcome.wildcard_subscription_available


@pytest.mark.parametrize(
    "level", [b"\x00\x04MQTT\x04", b"\x00\x06MQIsdp\x03"], ids=["3.1.1", "3.1"]
)
async def test_an_older_protocol_is_answered_in_its_own_words(level: bytes) -> None:
    body = level + b"\x02\x00\x3c\x00\x07agent-1"
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        peer.send(b"\x10" + bytes([len(body)]) + body)
        assert await peer.rest() == b"\x20\x02\x00\x01"


@pytest.mark.parametrize(
    ("name", "asked", "code"),
    [
        ("no/name", {}, CONNACK.CLIENT_ID_NOT_VALID),
        ("", {}, CONNACK.CLIENT_ID_NOT_VALID),
        ("x" * 65, {}, CONNACK.CLIENT_ID_NOT_VALID),
        ("agent-1", {"will": mqtt5.Will(UP)}, CONNACK.NOT_AUTHORIZED),
        (
            "agent-1",
            {"will": mqtt5.Will(UP, retain=True)},
            CONNACK.RETAIN_NOT_SUPPORTED,
        ),
        ("agent-1", {"will": mqtt5.Will(UP, qos=TWO)}, CONNACK.QUALITY_NOT_SUPPORTED),
        (
            "agent-1",
            {"authentication_method": "SCRAM"},
            CONNACK.BAD_AUTHENTICATION_METHOD,
        ),
    ],
)
async def test_a_connect_that_asks_too_much_is_refused_with_its_code(
    name: str, asked: dict[str, object], code: mqtt5.ConnAckReasonCode
) -> None:
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        answer = await peer.connect(name, **asked)
        assert answer.reason_code == code
        assert await peer.rest() == b""
        assert endpoint.counters.refused_total == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (mqtt5.PublishPacket(UP, b"x").write(), REASON.IMPLEMENTATION_SPECIFIC_ERROR),
        (
            mqtt5.PublishPacket(UP, b"x", qos=TWO, packet_id=1).write(),
            REASON.QOS_NOT_SUPPORTED,
        ),
        (
            mqtt5.PublishPacket(UP, b"x", qos=ONE, packet_id=1, retain=True).write(),
            REASON.RETAIN_NOT_SUPPORTED,
        ),
        (
            mqtt5.PublishPacket(UP, b"x", qos=ONE, packet_id=1, topic_alias=1).write(),
            REASON.TOPIC_ALIAS_INVALID,
        ),
        (b"\x32\x06\x00\x00\x00\x01\x00x", REASON.MALFORMED_PACKET),
        (publish(1, bytes(65_537)), REASON.PACKET_TOO_LARGE),
        (publish(1, bytes(70_000)), REASON.PACKET_TOO_LARGE),
        (mqtt5.ConnectPacket("agent-1").write(), REASON.PROTOCOL_ERROR),
        (mqtt5.PubRecPacket(1).write(), REASON.PROTOCOL_ERROR),
        (mqtt5.AuthPacket().write(), REASON.PROTOCOL_ERROR),
        (subscribe(DOWN, subscription_id=4), REASON.SUBSCRIPTION_IDS_NOT_SUPPORTED),
        (subscribe(*[DOWN] * 17), REASON.PROTOCOL_ERROR),
        (b"\x30\xff\xff\xff\xff\x01", REASON.MALFORMED_PACKET),
        (b"\x00\x00", REASON.MALFORMED_PACKET),
    ],
)
async def test_what_an_agent_may_not_do_closes_its_connection_with_the_code(
    sent: bytes, code: mqtt5.DisconnectReasonCode
) -> None:
    intake = Intake()
    async with serving(intake) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1")
        peer.send(sent)
        assert await peer.farewell() == code
        await is_served(endpoint)
    assert intake.committed == [("neighbour", b"honest")]


async def test_each_filter_but_the_agents_own_is_refused_with_its_code() -> None:
    code = mqtt5.SubAckReasonCode
    wanted = {
        DOWN: code.GRANTED_QOS_AT_LEAST_ONCE,
        UP: code.NOT_AUTHORIZED,
        down_topic("street", "agent-2"): code.NOT_AUTHORIZED,
        "meterseal/1/street/+/down": code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        "#": code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        f"$share/all/{DOWN}": code.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
    }
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1")
        peer.send(subscribe(*wanted))
        answer = await peer.packet()
        assert isinstance(answer, mqtt5.SubAckPacket)
        assert answer.reason_codes == list(wanted.values())
        peer.send(mqtt5.UnsubscribePacket(3, ["#", DOWN]).write())
        gone = await peer.packet()
        assert isinstance(gone, mqtt5.UnsubAckPacket)
        assert [int(one) for one in gone.reason_codes] == [17, 0]


async def test_more_in_flight_than_announced_closes_the_connection() -> None:
    intake = Intake()
    intake.gate.clear()
    async with serving(intake) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1")
        peer.send(*(publish(n) for n in range(1, etiquette.RECEIVE_MAXIMUM + 2)))
        assert await peer.farewell() == REASON.RECEIVE_MAX_EXCEEDED
        intake.gate.set()
        await is_served(endpoint)


async def test_bytes_that_panic_the_codec_close_only_their_connection() -> None:
    hostile = bytearray(publish(1))
    hostile[5] = 0xE1
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1")
        with silent_panics():
            peer.send(bytes(hostile))
            assert await peer.farewell() == REASON.MALFORMED_PACKET
        await is_served(endpoint)


async def test_replies_wait_for_the_window_the_agent_asked_for() -> None:
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1", receive_max=2)
        peer.send(subscribe(DOWN), *(publish(n, b"%d" % n) for n in range(1, 6)))
        got = [await peer.packet() for _ in range(1 + 5 + 2)]
        replies = [one for one in got if isinstance(one, mqtt5.PublishPacket)]
        assert len(replies) == 2
        peer.send(mqtt5.PingReqPacket().write())
        assert isinstance(await peer.packet(), mqtt5.PingRespPacket)
        for number in (3, 4, 5):
            first = replies.pop(0).packet_id
            assert first is not None
            peer.send(mqtt5.PubAckPacket(first).write())
            more = await peer.packet()
            assert isinstance(more, mqtt5.PublishPacket)
            assert more.payload == b"receipt:%d" % number
            replies.append(more)


async def test_a_reply_larger_than_the_agent_takes_is_dropped_and_counted() -> None:
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1", max_packet_size=60)
        peer.send(subscribe(DOWN), publish(1, b"x" * 64), publish(2, b"y"))
        got = [await peer.packet() for _ in range(1 + 2 + 1)]
        replies = [one for one in got if isinstance(one, mqtt5.PublishPacket)]
        assert [one.payload for one in replies] == [b"receipt:y"]
        assert endpoint.counters.replies_dropped_total == 1


async def test_a_stranger_who_says_nothing_is_cut_off() -> None:
    settings = replace(SETTINGS, door=DoorLimits(unnamed_s=1.5))
    async with serving(Intake(), settings) as endpoint:
        async with RawPeer(endpoint.port) as silent, RawPeer(endpoint.port) as half:
            half.send(mqtt5.ConnectPacket("agent-1").write()[:-1])
            assert await silent.rest() == b""
            assert await half.rest() == b""
        await is_served(endpoint)


async def test_a_strangers_first_packet_is_a_small_connect_or_nothing() -> None:
    large = mqtt5.ConnectPacket("agent-1", username="u" * 5000).write()
    async with serving(Intake()) as endpoint:
        for first in (
            mqtt5.PingReqPacket().write(),
            publish(1),
            large[:10],
            b"GET / HTTP/1.1\r\n" + b"x" * 80,
        ):
            async with RawPeer(endpoint.port) as peer:
                peer.send(first)
                assert await peer.rest() == b""
        await is_served(endpoint)


async def test_an_agent_that_only_trickles_half_a_packet_is_timed_out() -> None:
    async with serving(Intake()) as endpoint, RawPeer(endpoint.port) as peer:
        await peer.connect("agent-1", keep_alive=1)
        whole = publish(1, bytes(2000))
        trickling = asyncio.create_task(trickle(peer, whole[:-1]))
        assert await peer.farewell() == REASON.KEEP_ALIVE_TIMEOUT
        await is_served(endpoint)
        trickling.cancel()


async def trickle(peer: RawPeer, data: bytes) -> None:
    for byte in data:
        peer.send(bytes([byte]))
        await asyncio.sleep(0.05)


async def test_a_peer_that_never_reads_is_not_read_and_then_cut_off() -> None:
    settings = replace(SETTINGS, door=DoorLimits(stall_s=1.0))
    pings = mqtt5.PingReqPacket().write() * 50_000
    async with serving(Intake(), settings) as endpoint:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        with deaf:
            await loop.sock_connect(deaf, ("127.0.0.1", endpoint.port))
            await loop.sock_sendall(deaf, mqtt5.ConnectPacket("deaf").write())
            await until(lambda: "deaf" in endpoint._agents)
            connection = endpoint._agents["deaf"]
            shouting = asyncio.create_task(shout(deaf, pings))
            await until(lambda: connection.stalled_at is not None)
            transport = connection.transport
            assert transport is not None
            assert not transport.is_reading()
            assert transport.get_write_buffer_size() < 2 * WRITE_BYTES
            await is_served(endpoint)
            with pytest.raises(ConnectionError):
                await shouting
        await until(lambda: endpoint.counters.connections == 0)


async def shout(deaf: socket.socket, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while True:
            await loop.sock_sendall(deaf, data)


async def test_too_many_strangers_from_one_address_are_turned_away() -> None:
    settings = replace(SETTINGS, door=DoorLimits(unnamed_from_one=2))
    async with serving(Intake(), settings) as endpoint:
        async with RawPeer(endpoint.port), RawPeer(endpoint.port) as second:
            async with RawPeer(endpoint.port) as third:
                assert await third.rest() == b""
            await second.connect("agent-1")  # One has a name now: there is room again.
            await is_served(endpoint)
        assert endpoint.counters.refused_total == 1


async def test_an_endpoint_that_ends_says_so() -> None:
    async with serving(Intake()) as endpoint:
        peer = await RawPeer(endpoint.port).__aenter__()
        await peer.connect("agent-1")
    assert await peer.farewell() == REASON.SERVER_SHUTTING_DOWN
    await peer.__aexit__()


async def test_a_taken_port_is_known_before_anything_runs() -> None:
    async with serving(Intake()) as endpoint:
        with pytest.raises(OSError, match="ddress already in use"):
            Endpoint(replace(SETTINGS, port=endpoint.port)).listen()
        await is_served(endpoint)


def test_plain_is_refused_off_loopback() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.org"):  # noqa: S104
        with pytest.raises(ValueError, match="needs TLS"):
            EndpointSettings("street", host=host)
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        EndpointSettings("street", host=host)
