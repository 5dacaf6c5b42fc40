"""One uplink adapter with a real client's way in, and an intake that can be told."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Self

from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Incoming, Reply, TakeBeside, Uplink, deaf
from meterseal_proto.errors import Unavailable
from tests.support.mosquitto import Mosquitto
from tests.support.pahoagent import PahoAgent

NETWORK: Final = "street"
WAIT_S: Final = 60.0


class Intake:
    """A small intake: it keeps what it is given and answers each message.

    While `gate` is clear it is busy committing; `troubles` counts the deliveries that
    will still find its database unavailable.
    """

    def __init__(self) -> None:
        self.begun: list[Incoming] = []
        self.batches: list[list[Incoming]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.troubles = 0
        self._changed = asyncio.Event()

    async def deliver(self, batch: Sequence[Incoming]) -> Sequence[Reply]:
        """Take one batch; the replies are `receipt:` and how the payload begins."""
        self.begun += batch
        self._changed.set()
        await self.gate.wait()
        if self.troubles:
            self.troubles -= 1
            raise Unavailable("the disk is full")
        self.batches.append(list(batch))
        self._changed.set()
        return [Reply(one.agent, b"receipt:" + one.payload[:64]) for one in batch]

    @property
    def committed(self) -> list[tuple[str, bytes]]:
        """Everything committed, as (agent, payload), in order, duplicates too."""
        return [(one.agent, one.payload) for batch in self.batches for one in batch]

    def count(self, payload: bytes) -> int:
        """How often a payload was committed."""
        return Counter(payload for _, payload in self.committed)[payload]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until `happened()`, looked at whenever a batch comes or is committed."""
        async with asyncio.timeout(WAIT_S):
            while not happened():
                self._changed.clear()
                await self._changed.wait()


class Rig:
    """An adapter that can be stopped and started again, as a process would be."""

    def __init__(
        self, broker: Mosquitto | None, version: MQTTProtocolVersion, batch: BatchLimits
    ) -> None:
        self.broker = broker
        self.batch = batch
        self._version = version
        self._port = broker.port if broker is not None else 0
        self._task: asyncio.Task[None] | None = None
        self.uplink: Uplink | None = None
        self.told: TakeBeside = deaf
        """Who takes what is told beside; nobody unless a test says so."""

    async def __aexit__(self, *_: object) -> None:
        """Stop what still runs."""
        await self.stop()

    async def __aenter__(self) -> Self:
        """Nothing runs before start()."""
        return self

    async def start(self, intake: Intake) -> Uplink:
        """Run a new adapter with this intake, and return when agents may come."""
        assert self._task is None
        uplink: Endpoint | Broker
        if self.broker is None:
            uplink = Endpoint(
                EndpointSettings(NETWORK, port=self._port, batch=self.batch), self.told
            )
            uplink.listen()
            self._port = uplink.port
        else:
            uplink = Broker(
                BrokerSettings(
                    NETWORK,
                    port=self._port,
                    username="meterseal.aggregator",
                    batch=self.batch,
                ),
                None if self.told is deaf else self.told,
            )
        self.uplink = uplink
        self._task = asyncio.create_task(uplink.run(intake.deliver))
        if self.broker is not None:
            await connected(uplink)
        return uplink

    async def stop(self) -> None:
        """Cancel the adapter, as a process that is ended; nothing more is sent."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def ended(self) -> None:
        """Wait for an adapter that ends by itself, and raise what it raised."""
        assert self._task is not None
        task, self._task = self._task, None
        async with asyncio.timeout(WAIT_S):
            await task

    def agent(self, name: str) -> PahoAgent:
        """Return a client for this adapter, not yet connected."""
        return PahoAgent(name, self._port, network=NETWORK, version=self._version)


async def connected(uplink: Uplink, *, times: int = 1) -> None:
    """Wait until a broker has granted its subscription for the n-th time.

    A message published before the first is lost in the broker, as nobody wants it.
    """
    async with asyncio.timeout(WAIT_S):
        while uplink.counters.connected_total < times:
            await asyncio.sleep(0.005)
