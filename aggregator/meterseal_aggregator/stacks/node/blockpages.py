"""A block with all that was printed in it, put together from the pages of the Stacks API.

    found = await printed_block(get, header, publisher)

`get` asks a node for a path, told how many things it asks for, and gives the document.
What strangers sent may be as large as the chain lets it be, so a page that is too long is
asked for by halves, down to one. A block is asked for by its hash, and
each transaction's events from the transaction itself, which names its block: what a fork
moves between two pages is noticed. Whatever does not add up - a page too short, an event
twice, a count that differs - is ValueError. This module must never leave out what it could
not read.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from meterseal_aggregator.stacks.node import answers
from meterseal_aggregator.stacks.node.answers import Header, Json, Listed
from meterseal_aggregator.stacks.node.port import Print, PrintedBlock
from meterseal_proto.c32 import Address
from meterseal_proto.errors import TooLong

TRANSACTIONS_A_PAGE: Final = 50
"""The most that the API gives (stacks-blockchain-api, src/api/pagination.ts)."""
BLOCKS_A_PAGE: Final = 30
"""The most that the API gives (the same)."""
EVENTS_A_PAGE: Final = 100
"""The most that the API gives beside one transaction (the same, and routes/tx.ts)."""
MAX_TRANSACTIONS: Final = 12_000
"""A block is 2 MiB at most, the smallest transaction 180 bytes."""
MAX_EVENTS: Final = 4_000_000
"""Of one transaction. A print costs 1,458 at least (stacks-core, costs-3) and a block has
5,000,000,000, so there are no more: whoever pays for them delays us and stops nothing."""

Get: TypeAlias = Callable[[str, int], Awaitable[Json]]
"""Raises TooLong for more than is held at once, never for one thing alone."""


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
        asked = f"{where}?limit={{}}&offset={len(found)}"
        told = answers.listed(await _page(get, asked, TRANSACTIONS_A_PAGE), header)
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
    where = f"/extended/v1/tx/0x{one.txid}"
    while len(found) < one.events:
        asked = f"{where}?event_limit={{}}&event_offset={len(found)}"
        document = await _page(get, asked, EVENTS_A_PAGE)
        page = answers.told(document, one, header, publisher)
        if not page:
            raise ValueError(f"events: {one.events} of them")
        for index, told in page:
            if index in found:
                raise ValueError(f"events: event {index} twice")
            found[index] = told
    if len(found) != one.events:
        raise ValueError(f"events: {one.events} of them")
    return [told for _, told in sorted(found.items()) if told is not None]


async def _page(get: Get, asked: str, most: int) -> Json:
    """Return a page of as many things as one answer may hold."""
    while True:
        try:
            return await get(asked.format(most), most)
        except TooLong:
            if most == 1:
                raise
            most //= 2
