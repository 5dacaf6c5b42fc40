"""One SQLite connection and the one thread that uses it, so that no event loop waits for a disk.

What is given to `run` is done there in the order in which it was given, and whole, whether
or not anybody still waits for it. Each wait costs two threads a wake-up, about 70 us: as
long as ten statements of one row. So what belongs together is given together. This module
must never know a statement.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar
from warnings import warn

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""What is done with a connection, in its thread."""

# A future and the work that settles it belong together; a queue of many cannot say so.
_Jobs = SimpleQueue[tuple[asyncio.Future[Any], Work[Any]] | None]


class Driver:
    """A connection and its thread; end it with `close`. `waits` counts what it was given."""

    def __init__(self, uri: str, *, statements_kept: int) -> None:
        """Open `file:` URI `uri`. Raises sqlite3.Error when it cannot be opened."""
        # isolation_level None: it would begin transactions by itself, late and deferred.
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            cached_statements=statements_kept,
            check_same_thread=False,
        )
        self._jobs: Final[_Jobs] = SimpleQueue()
        self._closed = False
        self.waits = 0
        # A daemon: a program that ends without closing must not hang, and loses nothing.
        Thread(target=_work_off, args=(self._jobs, connection), daemon=True).start()

    def run(self, work: Work[T]) -> "asyncio.Future[T]":
        """Have `work` done in the thread after all that was given before.

        Returns what it returns or raises. ValueError when the connection is closed.
        """
        if self._closed:
            raise ValueError("this connection is closed; open the database again")
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((waiting, work))
        self.waits += 1
        return waiting

    async def close(self) -> None:
        """Close the connection once all that was given is done, and end its thread."""
        if self._closed:
            return
        closing = self.run(sqlite3.Connection.close)
        self._closed = True
        self._jobs.put(None)
        await closing

    def __del__(self) -> None:
        """End the thread of a connection that nobody closed, and say so."""
        if not getattr(self, "_closed", True):
            self._jobs.put(None)
            warn(f"{self!r} was never closed", ResourceWarning, stacklevel=1)


def _work_off(jobs: _Jobs, connection: sqlite3.Connection) -> None:
    while (job := jobs.get()) is not None:
        _do(*job, connection)
        # While it waits for the next, it must not keep what the last one was about.
        del job


def _do(
    waiting: asyncio.Future[Any], work: Work[Any], connection: sqlite3.Connection
) -> None:
    try:
        done = work(connection)
    except StopIteration as error:
        # A future refuses this one, and whoever waits would wait for ever.
        fault = RuntimeError("the work raised StopIteration")
        fault.__cause__ = error
        _tell(waiting, waiting.set_exception, fault)
    except BaseException as error:
        _tell(waiting, waiting.set_exception, error)
    else:
        _tell(waiting, waiting.set_result, done)


def _tell(
    waiting: asyncio.Future[Any], settle: Callable[[Any], None], what: object
) -> None:
    # A loop that is closed has nobody left who waits.
    with suppress(RuntimeError):
        waiting.get_loop().call_soon_threadsafe(_settle, waiting, settle, what)


def _settle(
    waiting: asyncio.Future[Any], settle: Callable[[Any], None], what: object
) -> None:
    # Whoever was cancelled meanwhile no longer asks.
    if not waiting.done():
        settle(what)
