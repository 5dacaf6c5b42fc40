"""The nouns of gathering evidence: what is to be proved, and why it cannot be yet.

Pure. This module must never read a table.
"""

from dataclasses import dataclass, field

from meterseal_proto.bundle import Logged
from meterseal_proto.entry import leaf_of


class NotYet(Exception):
    """Something waits for its place in the log, or is gone; the message says what to do."""

    def __init__(self, detail: str, *, later: bool = True) -> None:
        super().__init__(detail)
        self.detail = detail
        self.later = later
        """Whether asking again in a minute helps; what was erased never comes back."""


@dataclass(slots=True)
class Entries:
    """Log entries that evidence names, by row id, each with its bytes."""

    bodies: dict[int, bytes] = field(default_factory=dict)

    def add(self, entry_id: int, body: bytes) -> None:
        """Name one more."""
        self.bodies[entry_id] = body

    def leaves(self) -> dict[int, bytes]:
        """Return their leaf hashes, by row id."""
        return {entry_id: leaf_of(body) for entry_id, body in self.bodies.items()}


@dataclass(frozen=True, slots=True)
class Proved:
    """A checkpoint's note, what was published of it, and where entries stand under it."""

    note: str
    anchor: bytes | None
    places: dict[bytes, Logged]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A private register of a statement: its file's number, its row id, its bill's digest."""

    number: int
    register: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files by name, without a manifest; those of `hidden` registers are still to be added."""

    files: dict[str, bytes]
    hidden: tuple[Hidden, ...] = ()
