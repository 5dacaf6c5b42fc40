"""One connection to a broker: MQTT 5, seen from the client, read in large slices.

It subscribes, collects what the broker sends and acknowledges when told. It must
tolerate what real brokers do: deliver before SUBACK on a resumed session, overrun
Receive Maximum (Mosquitto 2.0.11), repeat. It must never acknowledge by itself,
except a message that is no reading and would else block the window for ever.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import mqtt5

from meterseal_aggregator.intake.mqtt.codec import (
    MAX_PACKET_BYTES,
    BrokenPacket,
    puback_bytes,
)
from meterseal_aggregator.intake.mqtt.outflow import Outflow
from meterseal_aggregator.intake.mqtt.stream import Stream
from meterseal_aggregator.intake.port import (
    BesideMessage,
    Counters,
    Incoming,
    TakeBeside,
)
from meterseal_proto.topics import ASIDES, MAX_MESSAGE_BYTES, Aside, parse_topic

KNOWN_TOPICS: Final = 65_536
"""Topics whose agent is remembered instead of parsed again; then it starts over."""
DOWN_WINDOW: Final = 4096
"""Unacknowledged replies, if the broker does not announce fewer."""
_SUBSCRIBE_ID: Final = 1
_KINDS: Final[dict[str, Aside]] = {aside: aside for aside in ASIDES}

Topics = dict[str, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """What a link is told by, and tells, the adapter it belongs to.

    `beside` are further subscriptions, whose messages go to `told` and may be lost.
    """

    network: str
    subscription: str
    counters: Counters
    topics: Topics
    ready: Callable[["BrokerLink"], None]
    received: Callable[[list[Incoming]], None]
    beside: tuple[str, ...] = ()
    told: TakeBeside | None = None


class BrokerLink(Stream):
    """The protocol of one socket to the broker; `ended` tells when it is over."""

    __slots__ = (
        "_caller",
        "_connect",
        "_outflow",
        "_pinged_at",
        "_subscribed",
        "ended",
        "keep_alive_s",
    )

    def __init__(
        self, caller: Caller, connect: mqtt5.ConnectPacket, outflow: Outflow
    ) -> None:
        super().__init__(MAX_PACKET_BYTES)
        self._caller = caller
        self._connect = connect
        self._outflow = outflow
        self._subscribed = False
        self._pinged_at = 0.0
        self.keep_alive_s = float(connect.keep_alive)
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open with CONNECT."""
        super().connection_made(transport)
        self.out.append(self._connect.write())
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for the end."""
        super().connection_lost(exc)
        if not self.ended.done():
            self.ended.set_result(None)

    def settle(self, packet_ids: Sequence[int]) -> None:
        """Acknowledge committed messages, if they came over this connection."""
        if not self.closed:
            self.out.append(puback_bytes(packet_ids))

    def publish(self) -> None:
        """Send what waits in the outflow, as far as the broker's window goes."""
        if not self.closed and self._subscribed:
            self.drained()
            self.flush()

    def check(self, now: float) -> None:
        """Ping in time, and cut off a broker that has fallen silent."""
        silent_s = now - self.heard_at
        if self.stalled_at is not None and now > self.stalled_at + self.keep_alive_s:
            self.abort("the broker does not read")
        elif silent_s > 1.5 * self.keep_alive_s and not self.held:
            self.abort("the broker is silent")
        elif now > self._pinged_at + self.keep_alive_s / 2:
            self._pinged_at = now
            self.out.append(mqtt5.PingReqPacket().write())
            self.flush()

    def leave(self) -> None:
        """Say goodbye; the session, with what is unacknowledged, stays."""
        if not self.closed:
            self.out.append(mqtt5.DisconnectPacket().write())
        self.close("left")

    def take(self, packets: list[mqtt5.Packet]) -> None:
        """Collect readings into one hand-over; let the rest change this link."""
        readings: list[Incoming] = []
        topics = self._caller.topics
        for packet in packets:
            if type(packet) is not mqtt5.PublishPacket:
                self._control(packet)
                continue
            agent = topics.get(packet.topic) or self._agent(packet.topic)
            payload = packet.payload
            if agent and packet.packet_id and len(payload) <= MAX_MESSAGE_BYTES:
                readings.append(Incoming(agent, payload, (self, packet.packet_id)))
            else:
                self._no_reading(packet)
        if readings and not self.closed:
            self._caller.received(readings)

    def broken(self, broken: BrokenPacket) -> None:
        """Close; the session brings what was not acknowledged.

        Our own unacknowledged replies are given up, as the broken packet may be the
        answer to one of them; sent again they would break the next connection too.
        """
        self._outflow.forget()
        self.out.append(mqtt5.DisconnectPacket(reason_code=broken.reason).write())
        self.close(f"the broker sent {broken}")

    def drained(self) -> None:
        """Send the replies that waited for the broker to read."""
        self.out += self._outflow.ready(self.has_room)

    def _control(self, packet: mqtt5.Packet) -> None:
        """Handle everything but PUBLISH."""
        match packet:
            case mqtt5.PubAckPacket():
                self._outflow.acknowledge(packet.packet_id)
                self.publish()
            case mqtt5.ConnAckPacket():
                self._connected(packet)
            case mqtt5.SubAckPacket():
                self._suback(packet)
            case mqtt5.DisconnectPacket():
                self.close(f"the broker closed: {packet.reason_code.name}")
            case mqtt5.PingRespPacket():
                pass
            case _:
                self.close(f"the broker sent {type(packet).__name__}")

    def _connected(self, packet: mqtt5.ConnAckPacket) -> None:
        """Take over the broker's limits, resume the session and subscribe."""
        if packet.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
            self.close(f"the broker refused: {packet.reason_code.name}")
            return
        self._reader.limit = MAX_PACKET_BYTES
        self._outflow.window = min(packet.receive_max, DOWN_WINDOW)
        self._outflow.largest = packet.max_packet_size or MAX_PACKET_BYTES
        if packet.server_keep_alive:
            self.keep_alive_s = float(packet.server_keep_alive)
        present = packet.session_present
        self.out += self._outflow.resume(session_present=present)
        wanted = mqtt5.TopicFilter(
            self._caller.subscription, max_qos=mqtt5.QoS.AT_LEAST_ONCE
        )
        # QoS 0: a broker keeps none of it for us while we are away, so that telemetry
        # cannot take a seal's place in its queue. What we miss is asked for, or sent, again.
        beside = [
            mqtt5.TopicFilter(topics, max_qos=mqtt5.QoS.AT_MOST_ONCE)
            for topics in self._caller.beside
        ]
        self.out.append(mqtt5.SubscribePacket(_SUBSCRIBE_ID, [wanted, *beside]).write())

    def _suback(self, packet: mqtt5.SubAckPacket) -> None:
        """Begin, unless the broker grants less than QoS 1 to the seals."""
        granted = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
        if packet.reason_codes[:1] != [granted]:
            codes = ", ".join(code.name for code in packet.reason_codes)
            self.close(f"the broker refused the subscription: {codes}")
            return
        self._subscribed = True
        self._caller.ready(self)
        self.drained()

    def _agent(self, text: str) -> str | None:
        """Return whose `up` topic of our network this is, and remember it."""
        topic = parse_topic(text)
        if topic is None or topic.direction != "up":
            return None
        if topic.network != self._caller.network:
            return None
        if len(self._caller.topics) >= KNOWN_TOPICS:
            self._caller.topics.clear()
        self._caller.topics[text] = topic.agent
        return topic.agent

    def _no_reading(self, packet: mqtt5.PublishPacket) -> None:
        """Take what is told beside, count what nobody ever takes; acknowledge both."""
        if not self._beside(packet):
            self._caller.counters.foreign_total += 1
        if packet.packet_id:
            self.out.append(puback_bytes([packet.packet_id]))

    def _beside(self, packet: mqtt5.PublishPacket) -> bool:
        """Hand on what agents of our network tell beside; False for anything else."""
        caller, topic = self._caller, parse_topic(packet.topic)
        if caller.told is None or topic is None or topic.network != caller.network:
            return False
        if len(packet.payload) > MAX_MESSAGE_BYTES or self.closed:
            return False
        kind = _KINDS.get(topic.direction)
        if kind is None:
            return False
        taken = caller.told(BesideMessage(topic.agent, kind, packet.payload))
        caller.counters.told_total += taken
        caller.counters.told_refused_total += not taken
        return True
