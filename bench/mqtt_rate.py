"""How many messages a second the uplink adapters carry, with an intake that does nothing.

    python bench/mqtt_rate.py [--messages N]

The server side runs in this process, whose CPU is what is reported per message; the
load generator, and Mosquitto, are processes of their own on the same box. The bare
limit beside each rate is the codec alone over the same bytes.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bench.mqtt_load import encode
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES, PacketReader
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_proto.topics import up_topic
from tests.support.mosquitto import Mosquitto

LOADER: Final = Path(__file__).with_name("mqtt_load.py")
PAYLOAD: Final = bytes(300)
SLICE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: messages a second, and microseconds of CPU for each."""

    name: str
    rate: float
    cpu_us: float


class Sink:
    """An intake that counts and answers nothing; it knows when all has come."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.taken = 0
        self.batches = 0
        self.complete = asyncio.Event()

    async def deliver(self, batch: Sequence[Incoming]) -> Sequence[Reply]:
        """Take a batch at once."""
        self.taken += len(batch)
        self.batches += 1
        if self.taken >= self.expected:
            self.complete.set()
        return []


def codec_row(messages: int) -> Row:
    """Measure the codec's wrapper alone, fed in the slices a socket gives."""
    stream = b"".join(encode(up_topic("street", "load-0"), [PAYLOAD] * messages))
    slices = [stream[at : at + SLICE] for at in range(0, len(stream), SLICE)]
    reader = PacketReader(MAX_PACKET_BYTES)
    began = time.process_time()
    count = sum(len(reader.feed(data)) for data in slices)
    used_s = time.process_time() - began
    return Row("codec alone", count / used_s, used_s / count * 1e6)


async def adapter_row(
    name: str, uplink: Endpoint | Broker, port: int, messages: int
) -> Row:
    """Run an adapter under load until it has taken every message."""
    sink = Sink(messages)
    running = asyncio.create_task(uplink.run(sink.deliver))
    while isinstance(uplink, Broker) and not uplink.counters.connections:
        await asyncio.sleep(0.01)
    loader = await asyncio.create_subprocess_exec(
        sys.executable, str(LOADER), str(port), f"--messages={messages}"
    )
    while not uplink.counters.received_total:
        await asyncio.sleep(0.001)
    began, cpu_s = time.perf_counter(), time.process_time()
    await sink.complete.wait()
    seconds, used_s = time.perf_counter() - began, time.process_time() - cpu_s
    await loader.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return Row(name, messages / seconds, used_s / messages * 1e6)


async def measure(messages: int) -> list[Row]:
    """Measure codec, endpoint and broker reader, one after the other."""
    endpoint = Endpoint(EndpointSettings("street", port=0))
    endpoint.listen()
    rows = [codec_row(messages)]
    rows.append(await adapter_row("endpoint", endpoint, endpoint.port, messages))
    with Mosquitto() as mosquitto:
        broker = Broker(
            BrokerSettings(
                "street", port=mosquitto.port, username="meterseal.aggregator"
            )
        )
        name = "Mosquitto to broker reader"
        rows.append(await adapter_row(name, broker, mosquitto.port, messages))
    return rows


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=160_000)
    asked = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )
    for row in asyncio.run(measure(asked.messages)):
        line = f"{row.name:28} {row.rate:10,.0f} messages/s {row.cpu_us:6.2f} us CPU"
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
