"""The one thread in which the outbox is used.

The asyncio loop hands work over and waits, so a slow card delays a receipt, never a
reading of a meter. Nothing else may touch the outbox while it is open.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class OutboxThread:
    """Runs calls one after another in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "meterseal-outbox")

    async def do(
        self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run `call` in the thread and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Finish the call in hand and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
