"""Rating in processes of their own, where one core is too little for all bills of a night.

    async with rating_processes(2) as rater:
        biller = Biller(database, network, rater)
        await gather(*(until_idle(lambda: biller.run_once(now)) for _ in range(3)))

A worker is given wishes and gives drafts: it has no database. With one batch more
under way than there are workers, reading, rating and writing go on beside each other. This
module must never rate twice what a worker has rated.
"""

import asyncio
import copyreg
import gc
import multiprocessing
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import fields
from operator import attrgetter
from typing import Final

from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.statements.draft import Draft, Moment, Wish, drafts
from meterseal_aggregator.billing.statements.duty import Rater
from meterseal_aggregator.billing.supplies.model import Supply, Terms
from meterseal_aggregator.billing.usage import Metered, Part, Want
from meterseal_aggregator.vee.days import Series
from meterseal_proto.errors import Unavailable
from meterseal_proto.rating.line import Carried

COLLECT_AFTER: Final = 50_000
"""Objects between two looks of a worker's collector: fewer than a batch makes."""
MOST: Final = 64
"""Workers: more cores than any machine has that bills a network."""
_TRAVELS: Final = (Wish, Supply, Terms, Metered, Want, Part, Series, Draft, Carried)
"""What goes to a worker and back, once a bill or more."""


@asynccontextmanager
async def rating_processes(count: int) -> AsyncIterator[Rater]:
    """Give a rater of `count` worker processes (1 to MOST), which end with the block.

    It raises Unavailable where a worker was killed; the block must be entered anew then.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"1 to {MOST} workers")
    # A fork would copy the threads' locks of this process; a spawned one starts clean.
    spawn = multiprocessing.get_context("spawn")
    _send_by_fields()
    pool = ProcessPoolExecutor(count, spawn, initializer=_begin)
    try:
        yield _rater(pool, count)
    finally:
        await asyncio.to_thread(pool.shutdown)


def _send_by_fields() -> None:
    """Have dataclasses pickled by their fields, in a quarter of the time.

    By themselves they ask for the names of their fields anew, for each object.
    """
    for kind in _TRAVELS:
        _send(kind, attrgetter(*(one.name for one in fields(kind))))


def _send(kind: type, values: Callable[[object], tuple[object, ...]]) -> None:
    copyreg.pickle(kind, lambda one: (kind, values(one)))


def _begin() -> None:
    """Prepare a worker; it collects garbage rarely: batches are short-lived, without cycles."""
    _send_by_fields()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _rater(pool: ProcessPoolExecutor, count: int) -> Rater:
    async def rate(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
        size = max(1, -(-len(wishes) // count))
        loop = asyncio.get_running_loop()
        parts = [
            loop.run_in_executor(pool, drafts, wishes[at : at + size], moment)
            for at in range(0, len(wishes), size)
        ]
        try:
            found = await asyncio.gather(*parts)
        except BrokenProcessPool as error:
            raise Unavailable(
                "a rating process ended: start the workers anew"
            ) from error
        return [one for part in found for one in part]

    return rate
