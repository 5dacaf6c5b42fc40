"""A publisher in memory that keeps the port's contract, and can lose its answers."""

from dataclasses import dataclass, field

from meterseal_aggregator.stacks.anchors.job import Refused
from meterseal_proto.errors import Unavailable


@dataclass
class Board:
    """What was published, shared by publishers as a chain is by nodes."""

    roots: dict[int, bytes] = field(default_factory=dict)
    acts: int = 0


@dataclass
class MemoryPublisher:
    """Publishes on a board; `down` refuses service, `deaf` publishes but never answers."""

    board: Board = field(default_factory=Board)
    down: bool = False
    deaf: bool = False
    name: str = "memory"
    proves: bool = True

    async def publish(self, size: int, root: bytes) -> str:
        """Put a root on the board, once."""
        found = await self.find(size, root)
        if found is not None:
            return found
        self.board.acts += 1
        self.board.roots[size] = root
        if self.deaf:
            raise Unavailable("published, but the answer was lost")
        return f"memory:{size}"

    async def find(self, size: int, root: bytes) -> str | None:
        """Look for a root on the board."""
        if self.down:
            raise Unavailable("the board is away")
        known = self.board.roots.get(size)
        if known is not None and known != root:
            raise Refused("another root at this size")
        if known is None and any(other > size for other in self.board.roots):
            raise Refused("a larger size is there already")
        return None if known is None else f"memory:{size}"
