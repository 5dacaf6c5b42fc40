"""The codec's wrapper: whole packets in any slicing, and one exception for the rest."""

import random

import mqtt5
import pytest

from meterseal_aggregator.intake.mqtt.codec import (
    MAX_PACKET_BYTES,
    BrokenPacket,
    OldProtocol,
    PacketReader,
    puback_bytes,
    read_packets,
)
from tests.support.panics import silent_panics
from tests.support.seed import SEED

MUTATIONS = 200_000
REASON = mqtt5.DisconnectReasonCode


def publish(packet_id: int, size: int = 200) -> bytes:
    return mqtt5.PublishPacket(
        "meterseal/1/street/agent-1/up",
        bytes(size),
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
    ).write()


def originals() -> list[bytes]:
    return [
        publish(7),
        publish(8, 3),
        mqtt5.ConnectPacket(
            "agent-1",
            username="u",
            password=b"p",
            keep_alive=30,
            session_expiry_interval=10,
            receive_max=20,
            max_packet_size=1000,
            will=mqtt5.Will("a/b", payload=b"x"),
            user_properties=[("a", "b")],
        ).write(),
        mqtt5.SubscribePacket(4, [mqtt5.TopicFilter("a/b")], subscription_id=5).write(),
        mqtt5.UnsubscribePacket(4, ["a/b"]).write(),
        mqtt5.PubAckPacket(4).write(),
        mqtt5.DisconnectPacket(reason_str="bye").write(),
        mqtt5.PingReqPacket().write(),
        mqtt5.SubAckPacket(
            4, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
        ).write(),
        mqtt5.ConnAckPacket(receive_max=30, max_packet_size=1000).write(),
        mqtt5.AuthPacket(authentication_method="m").write(),
    ]


def mutate(packet: bytes, dice: random.Random) -> bytes:
    data = bytearray(packet)
    for _ in range(dice.randint(1, 4)):
        match dice.randrange(5):
            case 0 if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
            case 1 if data:
                data[dice.randrange(min(12, len(data)))] ^= 1 << dice.randrange(8)
            case 2:
                del data[dice.randrange(len(data) + 1) :]
            case 3:
                data.insert(dice.randrange(len(data) + 1), dice.randrange(256))
            case _:
                data += dice.randbytes(dice.randrange(8))
    return bytes(data)


def test_200000_mutated_packets_give_packets_or_the_one_exception() -> None:
    dice = random.Random(SEED)
    seeds = originals()
    broken = 0
    panics = 0
    with silent_panics():
        for _ in range(MUTATIONS):
            data = mutate(dice.choice(seeds), dice)
            reader = PacketReader(MAX_PACKET_BYTES)
            try:
                reader.feed(data)
                assert reader.held <= len(data)
            except BrokenPacket as refused:
                broken += 1
                panics += "null" in str(refused)
    assert broken > MUTATIONS // 4
    assert panics > 0  # The panic that this wrapper is for did occur.


def test_any_slicing_of_a_stream_gives_the_same_packets() -> None:
    stream = b"".join(publish(n, size=n * 37 % 700) for n in range(1, 200))
    dice = random.Random(SEED)
    reader = PacketReader(MAX_PACKET_BYTES)
    ids = []
    at = 0
    while at < len(stream):
        step = dice.choice((1, 2, 3, 50, 400, 5000))
        for packet in reader.feed(stream[at : at + step]):
            assert isinstance(packet, mqtt5.PublishPacket)
            ids.append(packet.packet_id)
        at += step
    assert ids == list(range(1, 200))
    assert reader.held == 0


def test_a_packet_too_large_is_refused_on_its_length_alone() -> None:
    reader = PacketReader(1000)
    with pytest.raises(BrokenPacket) as refused:
        reader.feed(publish(1, size=2000)[:5])
    assert refused.value.reason == REASON.PACKET_TOO_LARGE
    assert reader.held == 0


def test_a_length_of_five_bytes_is_malformed() -> None:
    with pytest.raises(BrokenPacket) as refused:
        PacketReader(1000).feed(b"\x30\xff\xff\xff\xff\x01")
    assert refused.value.reason == REASON.MALFORMED_PACKET


@pytest.mark.parametrize(
    "level", [b"\x00\x04MQTT\x04", b"\x00\x06MQIsdp\x03"], ids=["3.1.1", "3.1"]
)
def test_an_older_protocol_is_told_apart_from_broken_bytes(level: bytes) -> None:
    body = level + b"\x02\x00\x3c\x00\x01a"
    with pytest.raises(OldProtocol):
        PacketReader(1000).feed(b"\x10" + bytes([len(body)]) + body)


def test_bytes_that_panic_the_codec_break_only_their_packet() -> None:
    data = bytearray(publish(1))
    data[5] = 0xE1
    with silent_panics(), pytest.raises(BrokenPacket):
        read_packets(bytes(data), MAX_PACKET_BYTES)
    packets, _, _ = read_packets(publish(2), MAX_PACKET_BYTES)
    assert len(packets) == 1


def test_an_unfinished_packet_costs_no_more_than_its_bytes() -> None:
    reader = PacketReader(MAX_PACKET_BYTES)
    whole = publish(1, size=60_000)
    for byte in whole[:-1]:
        assert reader.feed(bytes([byte])) == []
    assert reader.held == len(whole) - 1
    assert len(reader.feed(whole[-1:])) == 1


def test_pubacks_are_what_the_codec_writes() -> None:
    ids = [1, 255, 256, 65535]
    assert puback_bytes(ids) == b"".join(mqtt5.PubAckPacket(i).write() for i in ids)
