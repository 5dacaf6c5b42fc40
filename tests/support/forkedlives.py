"""A program of tests/support that forks for each line it reads: one life a line, and its end."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
