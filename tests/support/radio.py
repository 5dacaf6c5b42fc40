"""A receiver for tests: a program that prints like wmbusmeters, driven order by order."""

import asyncio
import os
import sys
from pathlib import Path

from meterseal_agent.meters.linesource import Command

DOUBLE = Path(__file__).with_name("wmbusmeters_double.py")


class Radio:
    """The program's command, and the FIFO its orders go through.

    The FIFO stays open at this end, so a program that is started again takes the next
    order.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "orders"
        os.mkfifo(self._path)
        self._handle = os.open(self._path, os.O_RDWR)
        self.source = Command((sys.executable, str(DOUBLE), str(self._path)))

    def order(self, text: str) -> None:
        """Let the program do what the order says."""
        os.write(self._handle, f"{text}\n".encode())

    def telegram(self, ident: str, m3: str, media: str = "water") -> None:
        """Let it print a telegram as the real program does."""
        self.order(f"out {telegram(ident, m3, media)}")

    def close(self) -> None:
        """Give the FIFO back."""
        os.close(self._handle)


def telegram(ident: str, m3: str, media: str = "water") -> str:
    """Return a line as wmbusmeters prints it."""
    return (
        f'{{"_":"telegram","media":"{media}","meter":"iperl","name":"flat",'
        f'"id":"{ident}","status":"OK","total_m3":{m3},"max_flow_m3h":0,'
        '"timestamp":"2026-07-01T10:00:00Z","device":"rtlwmbus[00000001]",'
        '"rssi_dbm":-66}'
    )


async def settle() -> None:
    """Let what is ready run: a reading that was started is then waiting."""
    for _ in range(5):
        await asyncio.sleep(0)
