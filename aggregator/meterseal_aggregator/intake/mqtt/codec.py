"""Bytes off a socket become MQTT 5 packets; every failure is one exception.

This is the only module that hands foreign bytes to the `mqtt5` codec. It must never
let anything but `BrokenPacket` out: the codec panics on some hostile bytes (strings
that are not UTF-8) with a BaseException that would take the event loop down. It must
never hold more of a peer's bytes than one packet of the reader's limit and one slice.
"""

from collections.abc import Iterable
from typing import Final

import mqtt5

from meterseal_proto.topics import MAX_MESSAGE_BYTES

HEADER_ROOM: Final = 1024
"""Fixed header (5), our longest topic (148) and packet id; the rest is for properties."""
MAX_PACKET_BYTES: Final = MAX_MESSAGE_BYTES + HEADER_ROOM
"""The largest packet anybody may send us, announced as Maximum Packet Size."""
MAX_CONNECT_BYTES: Final = 4096
"""A CONNECT of ours takes under 200 bytes; strangers get no more room than this."""

_CONNECT_BYTE: Final = 0x10
_OLD_CONNECTS: Final = (b"\x00\x04MQTT\x04", b"\x00\x06MQIsdp\x03")
_PUBACK: Final = b"\x40\x02"
_MAX_LENGTH_BYTES: Final = 4


class BrokenPacket(Exception):
    """A peer's bytes are no packet we take; its one connection must be closed.

    `reason` is the code for a DISCONNECT (MQTT 5, 4.13), where one may be sent.
    """

    def __init__(self, reason: mqtt5.DisconnectReasonCode, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class OldProtocol(BrokenPacket):
    """The peer opened with MQTT 3.1 or 3.1.1; it understands only their CONNACK."""


class PacketReader:
    """Packets out of one connection's byte stream.

    `limit` is the size in bytes of the largest packet taken, header included; it may
    be raised between packets. After a BrokenPacket the reader must not be fed again.
    """

    __slots__ = ("_need", "_rest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = bytearray()
        self._need = 0

    @property
    def held(self) -> int:
        """Bytes of an unfinished packet waiting for their rest."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[mqtt5.Packet]:
        """Return the packets that `data` completes; raise BrokenPacket."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
        packets, used, self._need = read_packets(data, self.limit)
        self._rest = bytearray(data[used:]) if used < len(data) else bytearray()
        return packets


def read_packets(data: bytes, limit: int) -> tuple[list[mqtt5.Packet], int, int]:
    """Return whole packets, the bytes they took and the size of the unfinished one.

    The size is 0 while its header is incomplete. Raises BrokenPacket, and nothing
    else: this is the one place where the codec is called.
    """
    packets: list[mqtt5.Packet] = []
    view = memoryview(data)
    end = len(data)
    at = 0
    size = 0
    while end - at >= 2:
        size = data[at + 1] + 2
        if size >= 130:  # The length goes on in further bytes.
            size = _long_size(data, at)
        if size > limit:
            raise _too_large(size, limit)
        if size == 0 or at + size > end:
            return packets, at, size
        try:
            packet, used = mqtt5.read(view[at : at + size])
        except (KeyboardInterrupt, SystemExit):
            raise
        # A panic in the codec is a BaseException; whatever it is, the bytes did it.
        except BaseException as error:
            raise _broken(data[at : at + size], str(error)) from None
        if used != size:
            raise _broken(data[at : at + size], "bytes are left over")
        packets.append(packet)
        at += size
    return packets, at, 0


def puback_bytes(packet_ids: Iterable[int]) -> bytes:
    """Return successful PUBACKs for all of `packet_ids`, in order (MQTT 5, 3.4)."""
    return b"".join([_PUBACK + packet_id.to_bytes(2) for packet_id in packet_ids])


def _long_size(data: bytes, at: int) -> int:
    """Return a packet's whole size from its length bytes (1.5.5), 0 if unfinished."""
    remaining = 0
    for count in range(_MAX_LENGTH_BYTES):
        position = at + 1 + count
        if position >= len(data):
            return 0
        remaining |= (data[position] & 0x7F) << (7 * count)
        if data[position] < 0x80:
            return remaining + 2 + count
    raise BrokenPacket(
        mqtt5.DisconnectReasonCode.MALFORMED_PACKET, "the length takes over four bytes"
    )


def _too_large(size: int, limit: int) -> BrokenPacket:
    return BrokenPacket(
        mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE,
        f"a packet of {size} bytes exceeds {limit}",
    )


def _broken(packet: bytes, detail: str) -> BrokenPacket:
    """Tell an older protocol, which deserves its own answer, from broken bytes."""
    if packet[0] == _CONNECT_BYTE:
        body = packet[2:] if packet[1] < 0x80 else packet[3:]
        if body.startswith(_OLD_CONNECTS):
            return OldProtocol(
                mqtt5.DisconnectReasonCode.PROTOCOL_ERROR,
                "this endpoint speaks MQTT 5; the peer asked for an older one",
            )
    return BrokenPacket(mqtt5.DisconnectReasonCode.MALFORMED_PACKET, detail)
