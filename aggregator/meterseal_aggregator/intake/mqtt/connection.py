"""One agent's connection to our endpoint: MQTT 5, seen from the server.

It applies `etiquette` and keeps this peer's flow and time limits. It must never
acknowledge by itself - the endpoint tells it to, after the commit - nor hold more for
a peer that does not read than one window and one queue of receipts.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import mqtt5

from meterseal_aggregator.intake.mqtt import etiquette
from meterseal_aggregator.intake.mqtt.admission import certificate_name
from meterseal_aggregator.intake.mqtt.codec import (
    MAX_CONNECT_BYTES,
    MAX_PACKET_BYTES,
    BrokenPacket,
    OldProtocol,
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
from meterseal_proto.topics import ASIDES, Aside, aside_topic, down_topic, up_topic

DOWN_WINDOW: Final = 64
"""Unacknowledged receipts an agent may have, if it does not ask for fewer."""
DOWN_QUEUE: Final = etiquette.RECEIVE_MAXIMUM
"""Receipts waiting for the window: one for every message that may be in flight."""
CLOSE_S: Final = 5.0
"""How long a closing connection may take to drain before it is cut off."""
_OLD_CONNACK: Final = b"\x20\x02\x00\x01"
"""MQTT 3.1.1, 3.2.2.3: refused, unacceptable protocol version."""


@dataclass(frozen=True, slots=True)
class Home:
    """What a connection is told by, and tells, the endpoint it belongs to."""

    network: str
    counters: Counters
    stall_s: float
    opened: Callable[["Connection"], None]
    received: Callable[[list[Incoming]], None]
    lost: Callable[["Connection"], None]
    told: TakeBeside


class Connection(Stream):
    """The protocol of one accepted socket, a stranger until its CONNECT is taken."""

    __slots__ = (
        "_asides",
        "_down",
        "_home",
        "_keep_alive_s",
        "_outflow",
        "_unacked",
        "_until",
        "_up",
        "address",
        "agent",
    )

    def __init__(self, home: Home, *, address: str, until: float) -> None:
        super().__init__(MAX_CONNECT_BYTES)
        self.address = address
        self.agent = ""
        """Who it is; empty for a stranger."""
        self._home = home
        self._outflow: Outflow | None = None
        self._up = ""
        self._asides: dict[str, Aside] = {}
        self._down: str | None = None
        self._until = until
        self._keep_alive_s = etiquette.MAX_KEEP_ALIVE_S
        self._unacked = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the endpoint, which forgets this connection."""
        super().connection_lost(exc)
        self._home.lost(self)

    def settle(self, packet_ids: Sequence[int], replies: Sequence[bytes]) -> None:
        """Acknowledge committed messages and publish what they are answered with."""
        if self.closed:
            self._home.counters.replies_dropped_total += len(replies)
            return
        self._unacked -= len(packet_ids)
        self.out.append(puback_bytes(packet_ids))
        for payload in replies:
            self._reply(payload)
            self.drained()
        self.flush()

    def end(self, reason: mqtt5.DisconnectReasonCode, why: str) -> None:
        """Say DISCONNECT to an agent, nothing to a stranger, and close."""
        if self.agent and not self.closed:
            self.out.append(mqtt5.DisconnectPacket(reason_code=reason).write())
        self.close(why)

    def close(self, why: str) -> None:
        """Close; `check` cuts the connection off if draining takes too long."""
        self._until = self._loop.time() + CLOSE_S
        super().close(why)

    def check(self, now: float) -> None:
        """Cut off a peer that is late: with CONNECT, a sign of life, reading, leaving."""
        if self.closed or not self.agent:
            if now > self._until:
                self.abort("no CONNECT in time")
        elif self.stalled_at is not None:
            if now > self.stalled_at + self._home.stall_s:
                self.abort("left its socket unread")
        elif not self.held and now > self.heard_at + 1.5 * self._keep_alive_s:
            # MQTT 5, 3.1.2.10: one and a half times the keep-alive.
            reason = mqtt5.DisconnectReasonCode.KEEP_ALIVE_TIMEOUT
            self.end(reason, "keep-alive timeout")

    def take(self, packets: list[mqtt5.Packet]) -> None:
        """Collect readings into one hand-over; let the rest change this connection."""
        readings: list[Incoming] = []
        agent, up = self.agent, self._up
        for packet in packets:
            if type(packet) is not mqtt5.PublishPacket or not agent:
                self._control(packet)
                agent, up = self.agent, self._up
            elif etiquette.is_reading(packet, up):
                token = (self, packet.packet_id)
                readings.append(Incoming(agent, packet.payload, token))
            else:
                self._odd_publish(packet)
            if self.closed:
                break
        if readings:
            self._hand_over(readings)

    def broken(self, broken: BrokenPacket) -> None:
        """Close on bytes that are no packet, with the answer their sender can read."""
        self._home.counters.refused_total += 1
        if isinstance(broken, OldProtocol) and not self.agent:
            self.out.append(_OLD_CONNACK)
        self.end(broken.reason, str(broken))

    def drained(self) -> None:
        """Send the receipts that waited for the peer to read."""
        if self._outflow is not None:
            self.out += self._outflow.ready(self.has_room)

    def _hand_over(self, readings: list[Incoming]) -> None:
        """Give readings to intake, or close when there are more than announced."""
        self._unacked += len(readings)
        if self._unacked > etiquette.RECEIVE_MAXIMUM:
            reason = mqtt5.DisconnectReasonCode.RECEIVE_MAX_EXCEEDED
            self.end(reason, "more messages in flight than announced")
            return
        self._home.received(readings)

    def _control(self, packet: mqtt5.Packet) -> None:
        """Handle everything but an agent's PUBLISH."""
        if not self.agent:
            if isinstance(packet, mqtt5.ConnectPacket):
                self._connect(packet)
            else:
                self._refuse("the first packet was no CONNECT")
            return
        match packet:
            case mqtt5.PubAckPacket():
                self._acknowledged(packet)
            case mqtt5.PingReqPacket():
                self.out.append(mqtt5.PingRespPacket().write())
            case mqtt5.SubscribePacket():
                self._subscribe(packet)
            case mqtt5.UnsubscribePacket():
                self._unsubscribe(packet)
            case mqtt5.DisconnectPacket():
                self.close("left")
            case _:
                reason = mqtt5.DisconnectReasonCode.PROTOCOL_ERROR
                self.end(reason, f"sent {type(packet).__name__}")

    def _acknowledged(self, packet: mqtt5.PubAckPacket) -> None:
        """Make room in the window and send what waited for it."""
        if self._outflow is not None:
            self._outflow.acknowledge(packet.packet_id)
        self.drained()

    def _connect(self, packet: mqtt5.ConnectPacket) -> None:
        """Answer CONNECT; on success this connection is its agent's only one."""
        refusal = etiquette.connect_refusal(packet)
        name = self._name(packet)
        if refusal is None and name is None:
            refusal = mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID
        if refusal is not None or name is None:
            code = refusal or mqtt5.ConnAckReasonCode.UNSPECIFIED_ERROR
            self.out.append(mqtt5.ConnAckPacket(reason_code=code).write())
            self._refuse(f"CONNECT refused: {code.name}")
            return
        self.agent = name
        self._up = up_topic(self._home.network, name)
        self._asides = {aside_topic(self._home.network, name, k): k for k in ASIDES}
        self._keep_alive_s = etiquette.keep_alive_s(packet.keep_alive)
        largest = min(packet.max_packet_size or MAX_PACKET_BYTES, MAX_PACKET_BYTES)
        window = min(packet.receive_max, DOWN_WINDOW)
        self._outflow = Outflow(
            self._home.counters, window=window, queued=DOWN_QUEUE, largest=largest
        )
        self._reader.limit = MAX_PACKET_BYTES
        self.out.append(etiquette.welcome(packet, name, MAX_PACKET_BYTES).write())
        self._home.opened(self)

    def _name(self, packet: mqtt5.ConnectPacket) -> str | None:
        """Return who this is: by certificate under TLS, else by client id."""
        assert self.transport is not None
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if tls is None:
            return etiquette.agent_name(packet.client_id)
        return etiquette.agent_name(certificate_name(tls.getpeercert(binary_form=True)))

    def _refuse(self, why: str) -> None:
        self._home.counters.refused_total += 1
        self.close(why)

    def _subscribe(self, packet: mqtt5.SubscribePacket) -> None:
        """Answer SUBSCRIBE; only the agent's own `down` is granted."""
        disconnect = mqtt5.DisconnectReasonCode
        if packet.subscription_id is not None:
            why = "sent a subscription identifier"
            self.end(disconnect.SUBSCRIPTION_IDS_NOT_SUPPORTED, why)
            return
        if not 0 < len(packet.topic_filters) <= etiquette.MAX_FILTERS:
            self.end(disconnect.PROTOCOL_ERROR, "sent none or too many topic filters")
            return
        down = down_topic(self._home.network, self.agent)
        codes = etiquette.granted(packet.topic_filters, down)
        if mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE in codes:
            self._down = down
        self.out.append(mqtt5.SubAckPacket(packet.packet_id, codes).write())

    def _unsubscribe(self, packet: mqtt5.UnsubscribePacket) -> None:
        """Answer UNSUBSCRIBE; without `down` the agent's replies are dropped."""
        codes = etiquette.released(packet.patterns, self._down)
        if mqtt5.UnsubAckReasonCode.SUCCESS in codes:
            self._down = None
        self.out.append(mqtt5.UnsubAckPacket(packet.packet_id, codes).write())

    def _odd_publish(self, packet: mqtt5.PublishPacket) -> None:
        """Take what is told beside, refuse everything else: with PUBACK, or by closing."""
        kind = self._asides.get(packet.topic)
        if kind is not None and etiquette.is_beside(packet):
            self._beside(packet, kind)
            return
        self._home.counters.foreign_total += 1
        refusal = etiquette.publish_refusal(packet, self._up)
        if isinstance(refusal, mqtt5.DisconnectReasonCode):
            self.end(refusal, f"PUBLISH refused: {refusal.name}")
        elif packet.packet_id is not None:
            ack = mqtt5.PubAckPacket(packet.packet_id, reason_code=refusal)
            self.out.append(ack.write())

    def _beside(self, packet: mqtt5.PublishPacket, kind: Aside) -> None:
        """Hand on what is told beside; it is acknowledged when taken, not when stored."""
        taken = self._home.told(BesideMessage(self.agent, kind, packet.payload))
        self._home.counters.told_total += taken
        self._home.counters.told_refused_total += not taken
        if packet.packet_id:
            codes = mqtt5.PubAckReasonCode
            code = codes.SUCCESS if taken else codes.QUOTA_EXCEEDED
            self.out.append(
                mqtt5.PubAckPacket(packet.packet_id, reason_code=code).write()
            )

    def tell(self, payload: bytes) -> bool:
        """Publish to an agent that listens to its `down`; False when it does not."""
        if self.closed or self._down is None:
            return False
        self._reply(payload)
        self.drained()
        self.flush()
        return True

    def _reply(self, payload: bytes) -> None:
        """Queue a receipt for the window, or let the agent ask again."""
        if self._down is None or self._outflow is None:
            self._home.counters.replies_dropped_total += 1
            return
        self._home.counters.replies_total += 1
        self._outflow.offer(self._down, payload)
