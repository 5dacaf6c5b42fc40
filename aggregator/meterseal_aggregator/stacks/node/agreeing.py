"""Two nodes as one: what we hand in goes to both, what they say counts when they agree.

    node = Agreeing(HttpNode(ours, network), HttpNode(theirs, network))

A transaction is in a block when both name the same block and the same answer; where they
contradict each other nothing is believed, and Disagreement says so aloud. What lies in
between - a height, a nonce, a price - is the smaller of the two, which makes us wait or
send again and never act too early. This module must never choose whom to believe.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import structlog

from meterseal_aggregator.stacks.node.port import (
    Disagreement,
    Event,
    Fees,
    Found,
    InBlock,
    Node,
    Place,
    PrintedBlock,
    Refused,
    Tip,
    Unknown,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Optional, Value
from meterseal_proto.errors import Unavailable

_log: Final = structlog.get_logger(__name__)
_Said = TypeVar("_Said")


class Agreeing:
    """The two nodes, in any order."""

    def __init__(self, one: Node, other: Node) -> None:
        self._one = one
        self._other = other

    async def info(self) -> Tip:
        """Give the tip of the node that is behind."""
        one, other = await _both(self._one.info(), self._other.info())
        return min(one, other, key=lambda tip: tip.height)

    async def nonce(self, who: Principal) -> int:
        """Give the smaller nonce."""
        return min(await _both(self._one.nonce(who), self._other.nonce(who)))

    async def balance(self, who: Principal) -> int:
        """Give the smaller balance."""
        return min(await _both(self._one.balance(who), self._other.balance(who)))

    async def send(self, raw: bytes) -> None:
        """Hand in to both; one that takes it is enough.

        Raises Unavailable when one might have taken it, Refused when neither will.
        """
        said = await asyncio.gather(
            self._one.send(raw), self._other.send(raw), return_exceptions=True
        )
        troubles = [one for one in said if one is not None]
        for trouble in troubles:
            if not isinstance(trouble, Refused | Unavailable):
                raise trouble
        if len(troubles) < len(said):
            for trouble in troubles:
                _log.warning("one_node_did_not_take_it", why=str(trouble))
            return
        troubles.sort(key=lambda trouble: isinstance(trouble, Refused))
        raise troubles[0]

    async def found(self, txid: str) -> Found:
        """Give the block that both name; raises Disagreement where one sees another, or none."""
        one, other = await _both(self._one.found(txid), self._other.found(txid))
        if one == other:
            return one
        if isinstance(one, InBlock) or isinstance(other, InBlock):
            where = f"{_told(one)} and {_told(other)}"
            raise _disagree(f"transaction {txid} is {where}")
        return Unknown.NOWHERE

    async def call(
        self, contract: Principal, function: str, arguments: Sequence[Value]
    ) -> Value:
        """Give the answer that both give."""
        asked = (contract, function, arguments)
        one, other = await _both(self._one.call(*asked), self._other.call(*asked))
        return _same(one, other, f"{contract.text()} {function}")

    async def entry(self, contract: Principal, name: str, key: Value) -> Optional:
        """Give the value that both give."""
        asked = (contract, name, key)
        one, other = await _both(self._one.entry(*asked), self._other.entry(*asked))
        return _same(one, other, f"{contract.text()} {name}")

    async def published(self, contract: Principal) -> int:
        """Give the height that both name."""
        one, other = await _both(
            self._one.published(contract), self._other.published(contract)
        )
        return _same(one, other, f"publishing of {contract.text()}")

    async def block(self, height: int, publisher: Address) -> PrintedBlock | None:
        """Give the block that both have alike; None while one of them has none there."""
        one, other = await _both(
            self._one.block(height, publisher), self._other.block(height, publisher)
        )
        if one is None or other is None:
            return None
        return _same(one, other, f"block {height}")

    async def blocks(
        self, height: int, most: int, publisher: Address
    ) -> list[PrintedBlock]:
        """Give the blocks that both have alike; one may be behind, not beside."""
        asked = (height, most, publisher)
        one, other = await _both(self._one.blocks(*asked), self._other.blocks(*asked))
        shared = min(len(one), len(other))
        return _same(one[:shared], other[:shared], f"blocks from {height}")

    async def fee(self, payload: bytes, length: int) -> Fees:
        """Give the smaller prices: who lies about them cannot make us pay."""
        one, other = await _both(
            self._one.fee(payload, length), self._other.fee(payload, length)
        )
        return Fees(
            min(one.low, other.low),
            min(one.middle, other.middle),
            min(one.high, other.high),
        )

    async def events(self, contract: Principal, after: Place | None) -> list[Event]:
        """Give the events that both know; one may be behind, not beside."""
        one, other = await _both(
            self._one.events(contract, after), self._other.events(contract, after)
        )
        shared = min(len(one), len(other))
        return _same(one[:shared], other[:shared], f"events of {contract.text()}")


async def _both(one: Awaitable[_Said], other: Awaitable[_Said]) -> tuple[_Said, _Said]:
    """Await both; raises what either raised, once neither is under way any more."""
    first, second = await asyncio.gather(one, other, return_exceptions=True)
    for said in (first, second):
        if isinstance(said, Refused) and type(first) is not type(second):
            raise _disagree(f"only one node answers: {said}") from said
        if isinstance(said, BaseException):
            raise said
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    return first, second


def _same(one: _Said, other: _Said, what: str) -> _Said:
    if one != other:
        raise _disagree(f"{what} has two values")
    return one


def _disagree(what: str) -> Disagreement:
    _log.error("nodes_disagreed", what=what)
    return Disagreement(f"two nodes disagree: {what}")


def _told(found: Found) -> str:
    if not isinstance(found, InBlock):
        return found.value
    return f"in block {found.block.height} {found.block.block_id[:16]}"
