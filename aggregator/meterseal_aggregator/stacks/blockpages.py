"""A block with all that was printed in it, put together from the pages of the Stacks API.

    found = await printed_block(get, header, publisher)

`get` asks a node for a path and gives its document. A block is asked for by its hash, and
each transaction's events from the transaction itself, which names its block: what a fork
moves between two pages is noticed. Whatever does not add up - a page too short, an event
twice, a count that differs - is ValueError. This module must never leave out what it could
not read.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from meterseal_aggregator.stacks import answers
from meterseal_aggregator.stacks.answers import Header, Json, Listed
from meterseal_aggregator.stacks.node import Print, PrintedBlock
from meterseal_proto.c32 import Address

TRANSACTIONS_A_PAGE: Final = 50
"""The most that the API gives (stacks-blockchain-api, src/api/pagination.ts)."""
BLOCKS_A_PAGE: Final = 30
"""The most that the API gives (the same)."""
EVENTS_A_PAGE: Final = 100
"""The most that the API gives beside one transaction (the same, and routes/tx.ts)."""
MAX_TRANSACTIONS: Final = 12_000
"""A block is 2 MiB at most, the smallest transaction 180 bytes."""
MAX_EVENTS: Final = 20_000
"""Of one transaction: a block's budget for writing is 15,000; who only prints, and more
than that, stops whoever follows the chain, and is told of by an alarm."""

Get: TypeAlias = Callable[[str], Awaitable[Json]]


async def printed_block(get: Get, header: Header, publisher: Address) -> PrintedBlock:
    """Return the block of `header` with what contracts of `publisher` printed in it.

    Raises ValueError for pages that do not make a block, and whatever `get` raises.
    """
    prints: list[Print] = []
    for one in await _transactions(get, header):
        if one.events:
            prints += await _events(get, one, header, publisher)
    return PrintedBlock(header.height, header.block_id, header.parent_id, tuple(prints))


def upwards(page: list[Header], height: int, most: int) -> list[Header]:
    """Return of a page the blocks upwards from a height that stand on each other."""
    by_height = {header.height: header for header in page}
    found: list[Header] = []
    while len(found) < most and (header := by_height.get(height)) is not None:
        if found and header.parent_id != found[-1].block_id:
            break
        found.append(header)
        height += 1
    return found


async def _transactions(get: Get, header: Header) -> list[Listed]:
    """Return a block's transactions in the order they were run."""
    if header.transactions > MAX_TRANSACTIONS:
        raise ValueError(f"tx_count: {MAX_TRANSACTIONS} transactions at most")
    found: list[Listed] = []
    where = f"/extended/v2/blocks/0x{header.block_id}/transactions"
    while len(found) < header.transactions:
        page = f"?limit={TRANSACTIONS_A_PAGE}&offset={len(found)}"
        told = answers.listed(await get(where + page), header)
        if not told:
            raise ValueError(f"results: {header.transactions} transactions")
        found += told
    alone = len({one.txid for one in found}), len({one.index for one in found})
    if len(found) != header.transactions or alone != (len(found), len(found)):
        raise ValueError(f"results: {header.transactions} transactions, each once")
    return sorted(found, key=lambda one: one.index)


async def _events(
    get: Get, one: Listed, header: Header, publisher: Address
) -> list[Print]:
    """Return what a transaction made `publisher`'s contracts print, in order."""
    if one.events > MAX_EVENTS:
        raise ValueError(f"event_count: {MAX_EVENTS} events at most")
    found: dict[int, Print | None] = {}
    for offset in range(0, one.events, EVENTS_A_PAGE):
        page = f"?event_limit={EVENTS_A_PAGE}&event_offset={offset}"
        document = await get(f"/extended/v1/tx/0x{one.txid}{page}")
        for index, told in answers.told(document, one, header, publisher):
            if index in found:
                raise ValueError(f"events: event {index} twice")
            found[index] = told
    if len(found) != one.events:
        raise ValueError(f"events: {one.events} of them")
    return [told for _, told in sorted(found.items()) if told is not None]
