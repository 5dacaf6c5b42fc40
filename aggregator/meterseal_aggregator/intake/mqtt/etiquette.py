"""What our endpoint lets an agent do, as pure rules over packets.

An agent may connect, publish QoS 1 to its own `up` and, beside, to its own `tel`,
`health` and `private`, subscribe to its own `down`, ping and leave. These rules decide and
must never touch a socket; everything not named is refused.
"""

from collections.abc import Sequence
from typing import Final

import mqtt5

from meterseal_proto.topics import MAX_MESSAGE_BYTES, check_name

RECEIVE_MAXIMUM: Final = 1024
"""Unacknowledged messages an agent may have: one a register, and it has a few dozen."""
MAX_KEEP_ALIVE_S: Final = 300
"""A vanished agent is noticed within one and a half times this."""
MAX_FILTERS: Final = 16
"""Topic filters a SUBSCRIBE may carry; an agent needs one."""

_AT_LEAST_ONCE: Final = mqtt5.QoS.AT_LEAST_ONCE


def connect_refusal(packet: mqtt5.ConnectPacket) -> mqtt5.ConnAckReasonCode | None:
    """Return why this CONNECT is refused, whoever sends it, or None."""
    if packet.authentication_method is not None:
        return mqtt5.ConnAckReasonCode.BAD_AUTHENTICATION_METHOD
    will = packet.will
    if will is None:
        return None
    if will.retain:
        return mqtt5.ConnAckReasonCode.RETAIN_NOT_SUPPORTED
    if will.qos is mqtt5.QoS.EXACTLY_ONCE:
        return mqtt5.ConnAckReasonCode.QUALITY_NOT_SUPPORTED
    return mqtt5.ConnAckReasonCode.NOT_AUTHORIZED


def keep_alive_s(asked_s: int) -> int:
    """Return the keep-alive that holds: the agent's, 1 to MAX_KEEP_ALIVE_S seconds."""
    return asked_s if 0 < asked_s <= MAX_KEEP_ALIVE_S else MAX_KEEP_ALIVE_S


def welcome(
    packet: mqtt5.ConnectPacket, agent: str, max_packet_bytes: int
) -> mqtt5.ConnAckPacket:
    """Return the CONNACK that says what is available here (MQTT 5, 3.2.2.3).

    No session outlives its connection: `session_present` is false and the expiry 0,
    so an agent starts over, and its unanswered seals are sent again in any case.
    """
    lasting_s = keep_alive_s(packet.keep_alive)
    return mqtt5.ConnAckPacket(
        session_expiry_interval=0 if packet.session_expiry_interval else None,
        assigned_client_id=None if packet.client_id else agent,
        server_keep_alive=None if lasting_s == packet.keep_alive else lasting_s,
        receive_max=RECEIVE_MAXIMUM,
        max_qos=_AT_LEAST_ONCE,
        retain_available=False,
        max_packet_size=max_packet_bytes,
        wildcard_subscription_available=False,
        subscription_id_available=False,
        shared_subscription_available=False,
    )


def is_reading(packet: mqtt5.PublishPacket, up: str) -> bool:
    """Whether this PUBLISH is what agents send: QoS 1 to their own `up`."""
    return (
        packet.topic == up
        and packet.qos is _AT_LEAST_ONCE
        and not packet.retain
        and packet.topic_alias is None
        and bool(packet.packet_id)
        and len(packet.payload) <= MAX_MESSAGE_BYTES
    )


def is_beside(packet: mqtt5.PublishPacket) -> bool:
    """Whether a PUBLISH to one of an agent's own asides may be taken: QoS 0 or 1.

    Who has a packet id must be of QoS 1, so QoS 2 is refused with the rest.
    """
    return (
        not packet.retain
        and packet.topic_alias is None
        and bool(packet.packet_id) is (packet.qos is _AT_LEAST_ONCE)
        and len(packet.payload) <= MAX_MESSAGE_BYTES
    )


def publish_refusal(
    packet: mqtt5.PublishPacket, up: str
) -> mqtt5.PubAckReasonCode | mqtt5.DisconnectReasonCode:
    """Return how a PUBLISH that is no reading is answered: PUBACK or DISCONNECT."""
    disconnect = mqtt5.DisconnectReasonCode
    if packet.topic_alias is not None:
        return disconnect.TOPIC_ALIAS_INVALID
    if packet.retain:
        return disconnect.RETAIN_NOT_SUPPORTED
    if packet.qos is mqtt5.QoS.EXACTLY_ONCE:
        return disconnect.QOS_NOT_SUPPORTED
    if len(packet.payload) > MAX_MESSAGE_BYTES:
        return disconnect.PACKET_TOO_LARGE
    if packet.qos is mqtt5.QoS.AT_MOST_ONCE:
        # It cannot be acknowledged, so an agent that sends so would lose readings.
        return disconnect.IMPLEMENTATION_SPECIFIC_ERROR
    if not packet.packet_id or not packet.topic:
        return disconnect.PROTOCOL_ERROR
    return mqtt5.PubAckReasonCode.NOT_AUTHORIZED


def granted(
    filters: Sequence[mqtt5.TopicFilter], down: str
) -> list[mqtt5.SubAckReasonCode]:
    """Return one SUBACK code for each filter; only the agent's own `down` is granted."""
    return [_grant(wanted, down) for wanted in filters]


def released(
    patterns: Sequence[str], down: str | None
) -> list[mqtt5.UnsubAckReasonCode]:
    """Return one UNSUBACK code for each pattern; `down` is what is subscribed."""
    code = mqtt5.UnsubAckReasonCode
    return [
        code.SUCCESS if pattern == down else code.NO_SUBSCRIPTION_EXISTED
        for pattern in patterns
    ]


def agent_name(claimed: str) -> str | None:
    """Return the name when it may stand in a topic, else None."""
    try:
        return check_name(claimed)
    except ValueError:
        return None


def _grant(wanted: mqtt5.TopicFilter, down: str) -> mqtt5.SubAckReasonCode:
    code = mqtt5.SubAckReasonCode
    if wanted.pattern.startswith("$share/"):
        return code.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
    if "+" in wanted.pattern or "#" in wanted.pattern:
        return code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    if wanted.pattern != down:
        return code.NOT_AUTHORIZED
    if wanted.max_qos is mqtt5.QoS.AT_MOST_ONCE:
        # Receipts travel at QoS 1; a quieter promise would be one we do not keep.
        return code.IMPLEMENTATION_SPECIFIC_ERROR
    return code.GRANTED_QOS_AT_LEAST_ONCE
