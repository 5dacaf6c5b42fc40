"""What an agent may publish beside its seals: QoS 0 or 1, not retained, not too large."""

import mqtt5
import pytest

from meterseal_aggregator.intake.mqtt.etiquette import is_beside
from meterseal_proto.topics import MAX_MESSAGE_BYTES

TOPIC = "meterseal/1/street/a1/tel"


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        (mqtt5.PublishPacket(TOPIC, b"x", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7), True),
        (mqtt5.PublishPacket(TOPIC, b"x", qos=mqtt5.QoS.AT_MOST_ONCE), True),
        (mqtt5.PublishPacket(TOPIC, b"x", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=7), False),
        (mqtt5.PublishPacket(TOPIC, b"x", retain=True), False),
        (mqtt5.PublishPacket(TOPIC, b"x", topic_alias=3), False),
        (mqtt5.PublishPacket(TOPIC, b"x" * MAX_MESSAGE_BYTES), True),
        (mqtt5.PublishPacket(TOPIC, b"x" * (MAX_MESSAGE_BYTES + 1)), False),
    ],
)  # fmt: skip
def test_only_a_plain_publish_is_taken(
    packet: mqtt5.PublishPacket, taken: bool
) -> None:
    assert is_beside(packet) is taken
