"""The aggregator as a client of an MQTT 5 broker: a shared, persistent subscription.

For those who run Mosquitto, EMQX or HiveMQ; several aggregators share the load. The
broker is an untrusted, lossy, duplicating pipe: this adapter must never acknowledge
to it before the commit, nor go off loopback without TLS.
"""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import mqtt5
import structlog
from structlog.typing import FilteringBoundLogger

from meterseal_aggregator.intake.mqtt.batching import Batching, BatchLimits
from meterseal_aggregator.intake.mqtt.brokerlink import BrokerLink, Caller
from meterseal_aggregator.intake.mqtt.codec import MAX_PACKET_BYTES
from meterseal_aggregator.intake.mqtt.outflow import Outflow
from meterseal_aggregator.intake.port import (
    Counters,
    Deliver,
    Incoming,
    Reply,
    TakeBeside,
    check_wire_is_safe,
)
from meterseal_proto.topics import (
    ASIDES,
    aside_filter,
    check_name,
    down_topic,
    up_filter,
)

SHARE: Final = "aggregator"
"""The shared subscription's usual name: aggregators of a network are one consumer."""
SESSION_EXPIRY_S: Final = 7 * 86_400
"""How long the broker keeps messages for an aggregator that is away."""
KEEP_ALIVE_S: Final = 30
CONNECT_S: Final = 10.0
"""From dialling to an open socket, TLS included."""
BACKOFF_S: Final = (0.1, 30.0)
"""First and longest wait before dialling again; doubled each time, with jitter."""
SHUT_S: Final = 2.0
"""How long a goodbye may take."""
DOWN_QUEUE: Final = 16_384
"""Replies waiting for the broker: a few batches' worth."""

_log: FilteringBoundLogger = structlog.get_logger()
_JITTER: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Which broker, and as whom; `client_id` names the session and must be lasting.

    Without `tls` the host must be loopback. `password_file` is read at each dialling.
    `share` names the shared subscription, the same for all aggregators of a network.
    Give it a secret value where the broker does not check who subscribes (Mosquitto's
    acl_file does not): whoever joins under the same name takes messages away unread.
    """

    network: str
    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "aggregator"
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password_file: Path | None = None
    share: str = field(default=SHARE, repr=False)
    batch: BatchLimits = field(default_factory=BatchLimits)

    def __post_init__(self) -> None:
        """Refuse settings that would send readings or a password in plain."""
        up_filter(self.network)
        check_name(self.share)
        check_wire_is_safe(self.host, self.tls)


class Broker:
    """An Uplink through a broker; it dials again for as long as it runs."""

    def __init__(
        self, settings: BrokerSettings, told: TakeBeside | None = None
    ) -> None:
        self._settings = settings
        self._counters = Counters()
        self._batching = Batching(settings.batch, self, self._counters)
        # The windows are the broker's to say; until CONNACK nothing is sent.
        self._outflow = Outflow(
            self._counters, window=1, queued=DOWN_QUEUE, largest=MAX_PACKET_BYTES
        )
        self._link: BrokerLink | None = None
        self._wait_s = BACKOFF_S[0]
        self._caller = Caller(
            network=settings.network,
            subscription=_shared(settings, up_filter(settings.network)),
            beside=_beside(settings) if told is not None else (),
            told=told,
            counters=self._counters,
            topics={},
            ready=self._ready,
            received=self._batching.put,
        )

    @property
    def counters(self) -> Counters:
        """Counts since the adapter was made."""
        return self._counters

    async def run(self, deliver: Deliver) -> None:
        """Carry messages until cancelled; see Uplink for the contract."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._batching.run(deliver))
            tasks.create_task(self._stay_connected())

    def hold(self) -> None:
        """Stop reading from the broker: intake is behind."""
        if self._link is not None:
            self._link.hold(held=True)

    def release(self) -> None:
        """Read from the broker again."""
        if self._link is not None:
            self._link.hold(held=False)

    def settle(self, batch: Sequence[Incoming], replies: Sequence[Reply]) -> None:
        """Acknowledge a committed batch and publish its replies."""
        done: dict[BrokerLink, list[int]] = {}
        for link, packet_id in map(_token, batch):
            done.setdefault(link, []).append(packet_id)
        for link, packet_ids in done.items():
            link.settle(packet_ids)
            link.flush()
        for reply in replies:
            topic = down_topic(self._settings.network, reply.agent)
            self._outflow.offer(topic, reply.payload)
        if self._link is not None:
            self._link.publish()
        self._counters.replies_total += len(replies)

    def tell(self, reply: Reply) -> bool:
        """Publish to one agent; the broker alone knows whether it is there."""
        if self._link is None:
            return False
        topic = down_topic(self._settings.network, reply.agent)
        self._outflow.offer(topic, reply.payload)
        self._link.publish()
        return True

    def abandon(self, batch: Sequence[Incoming]) -> None:
        """Drop the connection, so that the broker's session delivers it all again."""
        for link in {_token(message)[0] for message in batch}:
            link.abort("intake is unavailable")

    async def _stay_connected(self) -> None:
        """Dial, serve, and dial again with back-off and jitter."""
        while True:
            link = self._new_link()
            try:
                await self._serve(link)
            except (OSError, TimeoutError) as trouble:
                link.why = str(trouble) or "no connection in time"
            finally:
                self._forget(link)
            _log.warning("broker_lost", why=link.why, wait_s=self._wait_s)
            await asyncio.sleep(self._wait_s * _JITTER.uniform(0.5, 1.0))
            self._wait_s = min(2 * self._wait_s, BACKOFF_S[1])

    async def _serve(self, link: BrokerLink) -> None:
        """Connect the link and see to its keep-alive until it ends."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        async with asyncio.timeout(CONNECT_S):
            await loop.create_connection(
                lambda: link, settings.host, settings.port, ssl=settings.tls
            )
        self._link = link
        if self._batching.holding:
            link.hold(held=True)
        try:
            while not link.ended.done():
                await asyncio.wait({link.ended}, timeout=link.keep_alive_s / 4)
                link.check(loop.time())
        except asyncio.CancelledError:
            await _goodbye(link)
            raise

    def _new_link(self) -> BrokerLink:
        """Return a link that will connect to the lasting session of our name."""
        settings, password = self._settings, None
        if settings.password_file is not None:
            password = settings.password_file.read_bytes().strip()
        connect = mqtt5.ConnectPacket(
            settings.client_id,
            username=settings.username,
            password=password,
            clean_start=False,
            keep_alive=KEEP_ALIVE_S,
            session_expiry_interval=SESSION_EXPIRY_S,
            receive_max=min(2 * settings.batch.most, 65_535),
            max_packet_size=MAX_PACKET_BYTES,
        )
        return BrokerLink(self._caller, connect, self._outflow)

    def _ready(self, link: BrokerLink) -> None:
        """Note that the subscription stands."""
        self._wait_s = BACKOFF_S[0]
        self._counters.connections = 1
        self._counters.connected_total += 1
        _log.info("broker_connected", host=self._settings.host)

    def _forget(self, link: BrokerLink) -> None:
        """Let go of a link that has ended, or never began."""
        link.abort(link.why)
        self._counters.connections = 0
        if self._link is link:
            self._link = None


def _shared(settings: BrokerSettings, topics: str) -> str:
    return f"$share/{settings.share}/{topics}"


def _beside(settings: BrokerSettings) -> tuple[str, ...]:
    topics = [aside_filter(settings.network, aside) for aside in ASIDES]
    return tuple(_shared(settings, one) for one in topics)


async def _goodbye(link: BrokerLink) -> None:
    """Leave in order; a broker that does not read is not waited for."""
    link.leave()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SHUT_S):
            await asyncio.shield(link.ended)


def _token(message: Incoming) -> tuple[BrokerLink, int]:
    """Return what the link noted on its message."""
    token = message.token
    assert isinstance(token, tuple)
    return token
