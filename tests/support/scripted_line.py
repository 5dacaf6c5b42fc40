"""A Modbus TCP server that says exactly what a test tells it, late or wrong if need be."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Self

MBAP = struct.Struct(">HHHB")


class Asked:
    """One request, and the means to answer it whenever and however a test likes."""

    def __init__(
        self, transaction: int, unit: int, pdu: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.unit = unit
        self.function, self.address, self.count = struct.unpack(">BHH", pdu)
        self._transaction = transaction
        self._writer = writer

    def words(
        self, words: list[int], *, unit: int | None = None, off_by: int = 0
    ) -> None:
        """Answer with registers; `unit` and `off_by` spoil unit and transaction."""
        pdu = struct.pack(f">BB{len(words)}H", self.function, 2 * len(words), *words)
        self.raw(pdu, unit=unit, off_by=off_by)

    def refuse(self, code: int) -> None:
        """Answer with an exception."""
        self.raw(bytes([self.function | 0x80, code]))

    def raw(self, pdu: bytes, *, unit: int | None = None, off_by: int = 0) -> None:
        """Answer with any PDU; a connection already closed swallows it."""
        unit = self.unit if unit is None else unit
        self._writer.write(
            MBAP.pack(self._transaction + off_by, 0, len(pdu) + 1, unit) + pdu
        )

    def hang_up(self) -> None:
        """Close the connection instead of answering."""
        self._writer.close()


Script = Callable[[Asked], Awaitable[None]]


class ScriptedLine:
    """Listens on a free port and hands every request to `script`."""

    def __init__(self, script: Script) -> None:
        self.port = 0
        self.connections = 0
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(MBAP.size)
                transaction, _, length, unit = MBAP.unpack(head)
                pdu = await reader.readexactly(length - 1)
                await self._script(Asked(transaction, unit, pdu, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
