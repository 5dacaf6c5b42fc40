"""A pair of pseudo-terminals standing for a serial line: a device path and its far end."""

import asyncio
import os
import pty
import tty
from pathlib import Path

LOOK_AGAIN_S = 0.05


class FarEnd:
    """The meter's end of a serial line that a test plugs in and out at one path.

    `device` is a link to the pty, as /dev/serial/by-id/ holds links: pulling the plug
    hangs the line up and takes the link away.
    """

    def __init__(self, folder: Path, name: str = "ttyMETER") -> None:
        self.device = str(folder / name)
        self._near = -1
        self.fd = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Make the device appear."""
        self.fd, self._near = pty.openpty()
        tty.setraw(self.fd)
        os.set_blocking(self.fd, False)
        Path(self.device).symlink_to(os.ttyname(self._near))

    def pull(self) -> None:
        """Make the device vanish, as an adapter that is unplugged."""
        if self.fd >= 0:
            Path(self.device).unlink()
            os.close(self.fd)
            os.close(self._near)
            self.fd = self._near = -1

    def write(self, data: bytes) -> None:
        """Send `data` to the near end."""
        assert os.write(self.fd, data) == len(data)

    async def read(self, count: int) -> bytes:
        """Return the next `count` bytes from the near end."""
        found = b""
        while len(found) < count:
            found += await self.read_some()
        return found

    async def read_some(self) -> bytes:
        """Return what comes next, at least a byte, waiting while it is pulled."""
        while True:
            fd = self.fd
            if fd >= 0 and await _readable(fd):
                return os.read(fd, 4096)
            await asyncio.sleep(0 if fd >= 0 else LOOK_AGAIN_S)


async def _readable(fd: int) -> bool:
    """Wait for a byte, but not for ever: the plug may be pulled meanwhile."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        async with asyncio.timeout(LOOK_AGAIN_S):
            await ready.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(fd)
    return True
