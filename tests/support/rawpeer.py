"""A peer that may misbehave: raw bytes on a socket, packets as the codec reads them."""

import asyncio
import ssl
from typing import Final, Self

import mqtt5

from meterseal_aggregator.intake.mqtt.codec import PacketReader

WAIT_S: Final = 30.0


class RawPeer:
    """One connection to 127.0.0.1; what is sent is up to the test."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._packets = PacketReader(1 << 20)
        self._waiting: list[mqtt5.Packet] = []

    async def __aenter__(self) -> Self:
        """Connect the socket, and do the TLS handshake if there is one."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut the connection off."""
        self.writer.transport.abort()

    @property
    def writer(self) -> asyncio.StreamWriter:
        """The sending side."""
        assert self._writer is not None
        return self._writer

    def send(self, *packets: bytes) -> None:
        """Write bytes, without waiting for room."""
        self.writer.write(b"".join(packets))

    async def connect(self, name: str, **asked: object) -> mqtt5.ConnAckPacket:
        """Send CONNECT with the codec's own arguments; return the CONNACK."""
        packet = mqtt5.ConnectPacket(name, **asked)  # type: ignore[arg-type]
        self.send(packet.write())
        answer = await self.packet()
        assert isinstance(answer, mqtt5.ConnAckPacket)
        return answer

    async def packet(self) -> mqtt5.Packet:
        """Return the next packet that comes."""
        assert self._reader is not None
        async with asyncio.timeout(WAIT_S):
            while not self._waiting:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._waiting += self._packets.feed(data)
        return self._waiting.pop(0)

    async def rest(self) -> bytes:
        """Return everything that still comes before the connection is closed."""
        assert self._reader is not None
        async with asyncio.timeout(WAIT_S):
            try:
                return await self._reader.read(-1)
            except ConnectionError:
                return b""

    async def farewell(self) -> mqtt5.DisconnectReasonCode:
        """Return the code of the DISCONNECT that comes, skipping what is before it."""
        while True:
            packet = await self.packet()
            if isinstance(packet, mqtt5.DisconnectPacket):
                return packet.reason_code
