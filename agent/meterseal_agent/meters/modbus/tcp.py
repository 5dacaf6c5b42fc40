"""Modbus TCP through pymodbus; the only module that knows it.

After anything but a clean answer the connection is closed and opened anew, so what
comes late comes to nobody.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from meterseal_agent.meters.modbus.request import READ_HOLDING, READ_INPUT, Request
from meterseal_agent.meters.wire import Silent
from meterseal_proto.errors import Unavailable

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

LIBRARY_TIMEOUT_S: Final = 60.0
"""pymodbus' own timeout, out of the way: ours is per device and always shorter."""


class TcpTransport:
    """One Modbus TCP connection, opened when needed; see Transport in `line`."""

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self.disturbed = 0
        self._host = host
        self._port = port
        self._client: AsyncModbusTcpClient | None = None

    async def ask(
        self, unit: int, request: Request, timeout_s: float, turnaround_s: float
    ) -> bytes:
        """Return the PDU of the unit's answer, which is whole within `timeout_s`."""
        # Imported here: an agent on serial lines only never pays for it.
        from pymodbus.exceptions import ModbusException

        if turnaround_s:
            await asyncio.sleep(turnaround_s)
        clean = False
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._put(unit, request)
            clean = True
        except TimeoutError:
            raise Silent(f"no answer in {timeout_s:g} s") from None
        except (ModbusException, OSError) as error:
            raise Unavailable(str(error)) from error
        finally:
            if not clean:
                self.close()
        return bytes([answer.function_code]) + answer.encode()

    def close(self) -> None:
        """Close the connection; the next question opens a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _put(self, unit: int, request: Request) -> "ModbusPDU":
        if self._client is None or not self._client.connected:
            self.close()
            self._client = await self._connect()
        client, at = self._client, request.address
        if request.function == READ_INPUT:
            return await client.read_input_registers(
                at, count=request.count, device_id=unit
            )
        if request.function == READ_HOLDING:
            return await client.read_holding_registers(
                at, count=request.count, device_id=unit
            )
        return await client.write_registers(at, list(request.values), device_id=unit)

    async def _connect(self) -> "AsyncModbusTcpClient":
        from pymodbus.client import AsyncModbusTcpClient

        # No retries and no reconnection of its own: the bus alone decides when to
        # ask again, else a dead unit costs the living their turn.
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=LIBRARY_TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
        )
        if not await client.connect():
            client.close()
            raise ConnectionRefusedError(f"cannot connect to {self.name}")
        return client
