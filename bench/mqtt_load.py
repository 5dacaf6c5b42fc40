"""A load generator for the uplink: many agents' connections from one process.

    python bench/mqtt_load.py PORT --agents 16 --messages 100000 --window 512

Every publish is encoded before the clock starts, so that the generator, which shares
the box with what it loads, costs little: it writes slices and counts PUBACKs. The
intake bench gives it sealed payloads; alone it sends zeros.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import quantiles
from typing import Final

import mqtt5

from meterseal_aggregator.intake.mqtt.codec import PacketReader
from meterseal_proto.topics import down_topic, up_topic

READ_LIMIT: Final = 1 << 20
_IDS: Final = 65_535


@dataclass(frozen=True, slots=True)
class Feed:
    """What one agent publishes, in order."""

    agent: str
    payloads: Sequence[bytes]


@dataclass(slots=True)
class Outcome:
    """What a run came to; times in seconds, latencies from write to PUBACK."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    replies: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    p50_s: float = 0.0
    p99_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list, repr=False)

    @property
    def rate(self) -> float:
        """Acknowledged messages a second."""
        return self.acknowledged / self.seconds


class Loader(asyncio.Protocol):
    """One agent: connects, subscribes, then keeps `window` publishes in flight."""

    def __init__(self, network: str, feed: Feed, window: int, outcome: Outcome) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self._down = down_topic(network, feed.agent)
        self._agent = feed.agent
        self._packets = encode(up_topic(network, feed.agent), feed.payloads)
        self._window = window
        self._outcome = outcome
        self._reader = PacketReader(READ_LIMIT)
        self._written_at: deque[tuple[int, float]] = deque()
        self._next = 0
        self._acknowledged = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect and subscribe."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connect = mqtt5.ConnectPacket(self._agent, username=self._agent, keep_alive=60)
        wanted = mqtt5.TopicFilter(self._down, max_qos=mqtt5.QoS.AT_LEAST_ONCE)
        subscribe = mqtt5.SubscribePacket(1, [wanted])
        transport.write(connect.write() + subscribe.write())

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whatever still waits."""
        for waiting in (self.ready, self.done):
            if not waiting.done():
                waiting.set_exception(
                    ConnectionError(f"{self._agent} was disconnected")
                )

    def data_received(self, data: bytes) -> None:
        """Count what came and publish what the window now allows."""
        for packet in self._reader.feed(data):
            match packet:
                case mqtt5.PubAckPacket():
                    self._acknowledged += 1
                    taken = mqtt5.PubAckReasonCode.SUCCESS
                    self._outcome.refused += packet.reason_code is not taken
                case mqtt5.PublishPacket():
                    self._replied(packet)
                case mqtt5.ConnAckPacket():
                    self._window = min(self._window, packet.receive_max)
                case mqtt5.SubAckPacket():
                    self.ready.set_result(None)
                case _:
                    pass
        if self._next:
            self._note_latency()
            self.publish()

    def publish(self) -> None:
        """Write as many publishes as the window allows; the first call begins."""
        assert self._transport is not None
        upto = min(self._acknowledged + self._window, len(self._packets))
        if upto > self._next:
            self._transport.write(b"".join(self._packets[self._next : upto]))
            self._next = upto
            self._written_at.append((upto, time.perf_counter()))
        if self._acknowledged == len(self._packets) and not self.done.done():
            self._outcome.sent += self._next
            self._outcome.acknowledged += self._acknowledged
            self.done.set_result(None)

    def _note_latency(self) -> None:
        now = time.perf_counter()
        while self._written_at and self._written_at[0][0] <= self._acknowledged:
            self._outcome.latencies_s.append(now - self._written_at.popleft()[1])

    def _replied(self, packet: mqtt5.PublishPacket) -> None:
        self._outcome.replies += 1
        if packet.packet_id is not None and self._transport is not None:
            self._transport.write(mqtt5.PubAckPacket(packet.packet_id).write())


def encode(topic: str, payloads: Sequence[bytes]) -> list[bytes]:
    """Return QoS 1 publishes; ids go round and are free again long before."""
    return [
        mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number % _IDS + 1
        ).write()
        for number, payload in enumerate(payloads)
    ]


async def load(port: int, network: str, feeds: Sequence[Feed], window: int) -> Outcome:
    """Publish every feed to 127.0.0.1:`port` and wait for every PUBACK."""
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    loaders = [Loader(network, feed, window, outcome) for feed in feeds]
    for loader in loaders:
        await loop.create_connection(partial(_same, loader), "127.0.0.1", port)
        await loader.ready
    began, cpu_s = time.perf_counter(), _cpu_s()
    for loader in loaders:
        loader.publish()
    await asyncio.gather(*(loader.done for loader in loaders))
    outcome.seconds = time.perf_counter() - began
    outcome.cpu_s = _cpu_s() - cpu_s
    if len(outcome.latencies_s) > 1:
        cuts = quantiles(outcome.latencies_s, n=100)
        outcome.p50_s, outcome.p99_s = cuts[49], cuts[98]
    return outcome


def _same(loader: Loader) -> Loader:
    return loader


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Load one port and write the outcome as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--network", default="street")
    parser.add_argument("--agents", type=int, default=16)
    parser.add_argument("--messages", type=int, default=100_000, help="in all")
    parser.add_argument("--window", type=int, default=512, help="in flight an agent")
    parser.add_argument("--bytes", type=int, default=300, help="a payload")
    asked = parser.parse_args()
    payloads = [bytes(asked.bytes)] * (asked.messages // asked.agents)
    feeds = [Feed(f"load-{number}", payloads) for number in range(asked.agents)]
    outcome = asyncio.run(load(asked.port, asked.network, feeds, asked.window))
    result = {"rate": outcome.rate, **asdict(outcome)}
    del result["latencies_s"]
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
