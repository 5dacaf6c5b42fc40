"""The agent's client certificate, at the aggregator's endpoint and at Mosquitto."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from meterseal_agent.uplink.address import Address, Tls
from meterseal_agent.uplink.link import Link
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_proto.errors import Unavailable
from tests.support.certificates import Authority
from tests.support.mosquitto import Mosquitto

WAIT_S = 60.0
NETWORK = "street"


async def echo(batch: list[Incoming]) -> list[Reply]:
    return [Reply(one.agent, b"seen " + one.payload) for one in batch]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca")
    made.server()
    made.issue("a1", "a1")
    return made


@pytest.fixture(params=["endpoint", "mosquitto"])
async def port(
    request: pytest.FixtureRequest, authority: Authority
) -> AsyncIterator[int]:
    uplink: Endpoint | Broker
    async with AsyncExitStack() as stack:
        if request.param == "endpoint":
            uplink = Endpoint(EndpointSettings(NETWORK, port=0, tls=authority.server()))
            uplink.listen()
            number = uplink.port
        else:
            broker = stack.enter_context(Mosquitto(authority.directory))
            number = broker.port
            tls = authority.client("oracle", "meterseal.aggregator")
            uplink = Broker(BrokerSettings(NETWORK, port=number, tls=tls))
        task = asyncio.create_task(uplink.run(echo))  # type: ignore[arg-type]  # a list is enough
        if isinstance(uplink, Broker):
            async with asyncio.timeout(WAIT_S):
                while not uplink.counters.connections:
                    await asyncio.sleep(0.01)
        yield number
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def at(
    port: int, of: Authority, name: str = "a1", ca: Authority | None = None
) -> Address:
    folder = of.directory
    tls = Tls(
        folder / f"{name}.pem", folder / f"{name}.key", (ca or of).directory / "ca.pem"
    )
    return Address("127.0.0.1", port, tls)


async def test_the_certificates_agent_is_heard_and_answered(
    port: int, authority: Authority
) -> None:
    link = Link(at(port, authority), network=NETWORK, agent="a1")
    await link.open()
    async with asyncio.timeout(WAIT_S):
        link.publish(b"hello")
        assert await link.received() == b"seen hello"
    await link.close()


async def test_another_authoritys_certificate_is_not_let_in(
    port: int, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "other", "another CA")
    stranger.issue("a1", "a1")
    link = Link(at(port, stranger, ca=authority), network=NETWORK, agent="a1")
    with pytest.raises(Unavailable, match=str(port)):
        await link.open()


async def test_a_broker_of_another_authority_is_not_believed(
    port: int, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "other", "another CA")
    link = Link(at(port, authority, ca=stranger), network=NETWORK, agent="a1")
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await link.open()


async def test_a_link_tells_when_it_is_lost(port: int, authority: Authority) -> None:
    first = Link(at(port, authority), network=NETWORK, agent="a1")
    await first.open()
    second = Link(at(port, authority), network=NETWORK, agent="a1")
    await second.open()
    async with asyncio.timeout(WAIT_S):
        assert await first.received() is None, "the newer connection took over"
    await first.close()
    await second.close()
