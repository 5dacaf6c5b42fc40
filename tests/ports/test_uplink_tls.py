"""Agents by certificate: the endpoint's own TLS, and Mosquitto's as it is shipped."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import mqtt5
import pytest

from meterseal_aggregator.intake.mqtt.admission import DoorLimits
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Uplink
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from tests.support.certificates import Authority
from tests.support.mosquitto import SHIPPED, Mosquitto
from tests.support.pahoagent import PahoAgent
from tests.support.rawpeer import RawPeer
from tests.support.uplinkrig import Intake, connected

CONNACK = mqtt5.ConnAckReasonCode


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


@asynccontextmanager
async def running(uplink: Uplink, intake: Intake) -> AsyncIterator[None]:
    task = asyncio.create_task(uplink.run(intake.deliver))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def listening(settings: EndpointSettings) -> Endpoint:
    endpoint = Endpoint(settings)
    endpoint.listen()
    return endpoint


async def test_an_agent_is_who_its_certificate_says(authority: Authority) -> None:
    intake = Intake()
    tls = authority.server()
    endpoint = listening(EndpointSettings("street", port=0, tls=tls))
    own = authority.client("agent-1")
    async with running(endpoint, intake):
        async with PahoAgent("agent-1", endpoint.port, tls=own) as agent:
            agent.publish(b"one")
            await agent.until(lambda: agent.downs == [b"receipt:one"])
        async with RawPeer(endpoint.port, own) as disguised:
            # The client id is no name here, and none is needed.
            welcome = await disguised.connect("agent-2")
            assert welcome.reason_code == CONNACK.SUCCESS
            foreign = mqtt5.PublishPacket(
                "meterseal/1/street/agent-2/up",
                b"forged",
                qos=mqtt5.QoS.AT_LEAST_ONCE,
                packet_id=1,
            )
            disguised.send(foreign.write())
            refused = await disguised.packet()
            assert isinstance(refused, mqtt5.PubAckPacket)
            assert refused.reason_code == mqtt5.PubAckReasonCode.NOT_AUTHORIZED
        async with RawPeer(endpoint.port, own) as nameless:
            assert (await nameless.connect("")).assigned_client_id == "agent-1"
    assert intake.committed == [("agent-1", b"one")]


async def test_no_certificate_or_another_authoritys_gets_nowhere(
    authority: Authority, tmp_path: Path
) -> None:
    endpoint = listening(EndpointSettings("street", port=0, tls=authority.server()))
    impostor = Authority(tmp_path / "impostor").client("agent-1")
    impostor.load_verify_locations(authority.directory / "ca.pem")
    async with running(endpoint, Intake()):
        for context in (authority.stranger(), impostor):
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                async with RawPeer(endpoint.port, context) as peer:
                    await peer.connect("agent-1")
        with pytest.raises((ConnectionError, EOFError)):
            async with RawPeer(endpoint.port) as plain:
                await plain.connect("agent-1")
        assert endpoint.counters.connected_total == 0
        assert endpoint.counters.refused_total == 3


@pytest.mark.parametrize("names", [["agent-1", "agent-2"], ["no/agent"], ["a.b"]])
async def test_a_certificate_that_names_no_one_agent_is_refused(
    authority: Authority, names: list[str]
) -> None:
    endpoint = listening(EndpointSettings("street", port=0, tls=authority.server()))
    context = authority.client("odd", *names)
    async with running(endpoint, Intake()), RawPeer(endpoint.port, context) as peer:
        answer = await peer.connect("agent-1")
        assert answer.reason_code == CONNACK.CLIENT_ID_NOT_VALID


async def test_a_peer_that_never_finishes_its_handshake_harms_nobody(
    authority: Authority,
) -> None:
    door = DoorLimits(unnamed_s=0.5)
    settings = EndpointSettings("street", port=0, tls=authority.server(), door=door)
    endpoint = listening(settings)
    intake = Intake()
    async with running(endpoint, intake):
        stuck = [await RawPeer(endpoint.port).__aenter__() for _ in range(20)]
        for peer in stuck:
            peer.send(b"\x16\x03\x01")
        own = authority.client("agent-1")
        async with PahoAgent("agent-1", endpoint.port, tls=own) as agent:
            agent.publish(b"one")
            await agent.until(lambda: agent.downs == [b"receipt:one"])
        for peer in stuck:
            assert await peer.rest() == b""
            await peer.__aexit__()
        assert endpoint.counters.refused_total == 20


def test_tls_without_client_certificates_is_refused(authority: Authority) -> None:
    context = authority.server()
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="client certificate"):
        EndpointSettings("street", tls=context)


async def test_the_shipped_broker_fences_agents_by_certificate(
    authority: Authority,
) -> None:
    authority.server()
    intake = Intake()
    aggregator = authority.client("meterseal.aggregator")
    with Mosquitto(authority.directory) as mosquitto:
        settings = BrokerSettings("street", port=mosquitto.port, tls=aggregator)
        broker = Broker(settings)
        own, other = authority.client("agent-1"), authority.client("agent-2")
        async with (
            running(broker, intake),
            PahoAgent("agent-1", mosquitto.port, tls=own) as agent,
            PahoAgent("agent-2", mosquitto.port, tls=other) as second,
        ):
            await connected(broker)
            mid = second.publish(b"forged", agent.up)
            await second.until(lambda: any(one[0] == mid for one in second.acks))
            agent.publish(b"one")
            await agent.until(lambda: agent.downs == [b"receipt:one"])
            assert second.downs == []
    assert intake.committed == [("agent-1", b"one")]


def test_the_shipped_limits_are_the_protocols() -> None:
    lines = (SHIPPED / "mosquitto.conf").read_text().splitlines()
    stated = dict(line.split(" ", 1) for line in lines if line and line[0] != "#")
    assert int(stated["message_size_limit"]) == MAX_MESSAGE_BYTES
    assert int(stated["max_packet_size"]) == MAX_PACKET_BYTES
    assert int(stated["max_inflight_messages"]) >= 8000
    assert stated["require_certificate"] == "true"
    assert stated["allow_anonymous"] == "false"


async def test_a_broker_off_loopback_needs_tls() -> None:
    with pytest.raises(ValueError, match="needs TLS"):
        BrokerSettings("street", host="broker.example.org")
