"""A program of tests/support that forks for each line it reads: one life a line, and its end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.mortal import Fuse

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
"""A life of a second on a machine that is busy with others."""


@asynccontextmanager
async def program(name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start tests/support/<name>; it ends by itself once nothing more is asked of it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tests" / "support" / name), cwd=ROOT, stdin=pipe,
        stdout=pipe, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdin is not None
    try:
        yield process
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def life(process: asyncio.subprocess.Process, *words: object) -> str:
    """Live once; returns how it ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write((" ".join(map(str, words)) + "\n").encode())
    said = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    return said.decode().strip()


class Deadly(Fuse):
    """Ends the process, where it burns down, as a power cut would."""

    def step(self) -> None:
        """See Fuse."""
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step()


def fork(step: str, work: Callable[[int | None], Coroutine[None, None, int]]) -> str:
    """Live in a process of its own, until `step` (or "never"); returns how it ended.

    `work` is told how many steps are left and returns how many it took.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        # Whatever goes wrong, no thread of the database's keeps the process.
        try:
            steps = asyncio.run(work(None if step == "never" else int(step)))
            os.write(writing, b"%d" % steps)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        steps_taken = said.read()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return f"done {steps_taken}" if status == 0 else f"failed {status}"
