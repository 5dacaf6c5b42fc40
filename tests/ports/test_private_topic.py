"""The topic beside the seals for what is private: let through, each agent's own, and believed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_agent.outbox.model import Applied, Stored
from meterseal_agent.uplink.address import Address, Protocol
from meterseal_agent.uplink.beside import Courier, Post
from meterseal_agent.uplink.deliver import Beside, Peer, Uplink
from meterseal_agent.uplink.link import Link
from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.port import BesideMessage, Reply
from meterseal_proto.backfill import Backfill
from meterseal_proto.errand import BillAsked, TariffKnown, encode_errand
from meterseal_proto.errand_down import DownErrand, SeedsKept, encode_kept, sign_asked
from meterseal_proto.receipt import Receipt
from meterseal_proto.topics import aside_topic
from meterseal_proto.units import IMPORT, MeterId
from tests.support.boxes import PUBLIC
from tests.support.mosquitto import Mosquitto
from tests.support.oracle import AGENT, Oracle
from tests.support.oracle import NETWORK as NETWORK_ID
from tests.support.uplinkrig import NETWORK, Rig

WAIT_S = 60.0
KNOWN = encode_errand(TariffKnown(bytes(32)))
ASKED = BillAsked(MeterId(bytes(16)), IMPORT, 0, 900, bytes(32))


@pytest.fixture(params=["endpoint", "mosquitto", "mosquitto-3.1.1"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig, Protocol]]:
    speaks = Protocol.V311 if request.param.endswith("3.1.1") else Protocol.V5
    version, limits = MQTTProtocolVersion.MQTTv5, BatchLimits()
    if request.param == "endpoint":
        async with Rig(None, version, limits) as made:
            yield made, speaks
        return
    with Mosquitto() as broker:
        async with Rig(broker, version, limits) as made:
            yield made, speaks


class Heard:
    """What an aggregator was told beside the seals."""

    def __init__(self) -> None:
        self.told: list[BesideMessage] = []

    def take(self, told: BesideMessage) -> bool:
        self.told.append(told)
        return True


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not happened():
            await asyncio.sleep(0.01)


async def serving(rig: Rig) -> tuple[Heard, Oracle]:
    heard, oracle = Heard(), Oracle(PUBLIC)
    rig.told = heard.take
    await rig.start(oracle)  # type: ignore[arg-type]  # deliver is all it uses
    return heard, oracle


async def test_what_is_private_goes_up_its_own_topic_and_nobody_elses(
    rig: tuple[Rig, Protocol],
) -> None:
    made, speaks = rig
    heard, _ = await serving(made)
    address = Address("127.0.0.1", made._port, protocol=speaks)
    link = Link(address, network=NETWORK, agent="pi-2")
    await link.open()
    try:
        link._asides["tel"] = aside_topic(NETWORK, "pi-1", "private")
        taken = await link.post("tel", KNOWN)
        assert not taken or speaks is Protocol.V311, "3.1.1 has no word for no"
        assert await link.post("private", KNOWN)
        await until(lambda: heard.told)
    finally:
        await link.close()
    assert heard.told == [BesideMessage("pi-2", "private", KNOWN)]


class Listening:
    """An agent that only listens, and says what it is given."""

    def __init__(self, peer: Peer) -> None:
        self.down: list[DownErrand] = []
        self.posts = [KNOWN]
        self.uplink = Uplink(
            peer, self._due, self._apply,
            Beside(Courier(self._next_post), self._asked, self._told),
        )  # fmt: skip

    async def _due(self, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        return []

    async def _apply(self, receipt: Receipt) -> Applied:
        return Applied()

    async def _asked(self, request: Backfill) -> None:
        raise AssertionError

    async def _told(self, told: DownErrand) -> None:
        self.down.append(told)

    async def _next_post(self) -> Post | None:
        return Post("private", self.posts[0], self._taken) if self.posts else None

    async def _taken(self) -> None:
        self.posts.pop()


async def test_a_wish_is_believed_from_the_receipt_key_for_this_network_only(
    rig: tuple[Rig, Protocol], tmp_path: Path
) -> None:
    made, speaks = rig
    heard, oracle = await serving(made)
    address = Address("127.0.0.1", made._port, protocol=speaks)
    peer = Peer(address, NETWORK, AGENT, NETWORK_ID, oracle.key.public_key())
    agent = Listening(peer)
    task = asyncio.create_task(agent.uplink.run())
    try:
        await until(lambda: heard.told)
        assert heard.told == [BesideMessage(AGENT, "private", KNOWN)]
        kept = SeedsKept(ASKED.meter, (bytes(64), bytes(64), bytes(64)))
        stranger, wish = Oracle(PUBLIC), sign_asked(ASKED, NETWORK_ID, oracle.key)
        messages = [
            sign_asked(ASKED, NETWORK_ID, stranger.key),
            sign_asked(ASKED, bytes(32), oracle.key),
            wish[:-1] + bytes([wish[-1] ^ 1]),
            encode_kept(kept),
            wish,
        ]
        assert made.uplink is not None
        for payload in messages:
            assert made.uplink.tell(Reply(AGENT, payload))
        await until(lambda: agent.uplink.counters.errands == 2)
        assert agent.down == [kept, ASKED]
        assert agent.uplink.counters.forged == 3
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
