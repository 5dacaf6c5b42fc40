"""A thread for one file: the outbox has one, and the telemetry ring another.

The asyncio loop hands work over and waits, so a slow card delays a receipt, never a
reading of a meter, and telemetry never a seal. Nothing else may touch the file while it
is open.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class FileThread:
    """Runs calls one after another in a thread of its own, named after the file."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, f"meterseal-{name}")

    async def do(
        self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run `call` in the thread and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Finish the call in hand and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
