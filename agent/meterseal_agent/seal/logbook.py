"""What the public log says of this device's registers: read whole, believed only as a whole.

    book = read_log(get, pinned, registers)     # NotProved where anything is not as signed
    book.registers[meter, register].openings

Every entry is fetched by tiles, and together they must hash to the root of a checkpoint
under the pinned log key and the pinned second one. So nobody can leave an entry out, put
one in, or show this device another log than the witness saw. What was logged after the
checkpoint is not in it: whoever needs to know how old it may be looks for an entry that
he knows, or at the witness's time. This module must never give back part of a log.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from meterseal_agent.seal.opening import NotOpened, PinnedLog, check_second
from meterseal_proto.checkpoint import Checkpoint, open_note, parse_vkey
from meterseal_proto.entry import (
    EntryType,
    KeyEvent,
    Opening,
    open_key_event_entry,
    open_opening_entry,
    open_seal_entry,
)
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.keys import PublicKey
from meterseal_proto.logtiles import Reading, bundles, parse_bundle
from meterseal_proto.merkle import leaf_hash
from meterseal_proto.seal import MODE_COMMITTED, Header
from meterseal_proto.tariff import Tariff, parse_tariff
from meterseal_proto.units import MeterId, RegisterId

CHECKPOINT: Final = "/v1/log/checkpoint"
TILES: Final = "/v1/log/"
_HEAD: Final = 2

Get = Callable[[str], bytes]
"""Gives what lies at a path of the aggregator."""
Place = tuple[MeterId, RegisterId]


class NotProved(Exception):
    """What the aggregator gives is not what was logged and witnessed; says what is wrong."""


@dataclass(slots=True)
class Pages:
    """What the log says of one committed register, each kind in the order of the log."""

    keys: list[KeyEvent] = field(default_factory=list)
    seals: list[Header] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)

    def publics(self) -> list[PublicKey]:
        """Return the keys that ever spoke for the register; those of nobody left out."""
        found = []
        for event in self.keys:
            try:
                found.append(PublicKey.parse(event.algorithm, event.public))
            except ValueError:
                # A revocation names a key that nobody has.
                continue
        return found


@dataclass(slots=True)
class Logbook:
    """A whole log of `size` entries, seen by the witness at `witnessed_at` if he said when."""

    size: int
    witnessed_at: int | None
    registers: dict[Place, Pages]
    tariffs: dict[bytes, Tariff] = field(default_factory=dict)


def read_log(get: Get, pinned: PinnedLog, registers: Collection[Place]) -> Logbook:
    """Return what the log says of `registers`; NotProved, and whatever `get` raises."""
    checkpoint, at = _checkpoint(get(CHECKPOINT), pinned)
    book = Logbook(checkpoint.size, at, {place: Pages() for place in registers})
    meters = {bytes(meter) for meter, _ in registers}
    reading = Reading()
    try:
        for entry in _entries(get, checkpoint.size):
            reading.add(leaf_hash(entry))
            _note(book, meters, entry)
    except (Rejected, ValueError) as error:
        raise NotProved(f"entry {reading.size - 1} of the log: {error}") from None
    if reading.root() != checkpoint.root:
        raise NotProved(
            "the log's entries are not those its checkpoint was signed over"
        )
    return book


def _checkpoint(note: bytes, pinned: PinnedLog) -> tuple[Checkpoint, int | None]:
    try:
        text = note.decode("utf-8")
        checkpoint = open_note(text, pinned.log)
        at = check_second(text, pinned)
        if checkpoint.origin != parse_vkey(pinned.log).name:
            raise NotProved("the checkpoint is another log's")
    except UnicodeDecodeError:
        raise NotProved("the checkpoint is no text") from None
    except (Rejected, NotOpened) as error:
        raise NotProved(f"the log's checkpoint is not witnessed: {error}") from None
    return checkpoint, at


def _entries(get: Get, size: int) -> Iterator[bytes]:
    for name, width in bundles(size):
        yield from parse_bundle(get(TILES + name), width)


def _note_tariff(book: Logbook, entry: bytes) -> None:
    """Take down a tariff that devices open by; bills' own are in the log beside it."""
    try:
        tariff = parse_tariff(entry[_HEAD:])
    except Malformed:
        return
    book.tariffs[tariff.hash()] = tariff


def _note(book: Logbook, meters: Collection[bytes], entry: bytes) -> None:
    """Take down an entry that is about these registers, and every tariff."""
    kind = entry[0] if entry else 0
    if kind == EntryType.TARIFF:
        _note_tariff(book, entry)
        return
    # Most entries are other houses': their bytes name none of our meters.
    if not any(meter in entry for meter in meters):
        return
    match kind:
        case EntryType.SEAL:
            _note_seal(book, entry)
        case EntryType.KEY_EVENT:
            event = open_key_event_entry(entry)
            if (event.meter, event.register) in book.registers:
                book.registers[event.meter, event.register].keys.append(event)
        case EntryType.DEVICE_OPENING:
            opening = open_opening_entry(entry)
            if (opening.meter, opening.register) in book.registers:
                book.registers[opening.meter, opening.register].openings.append(opening)


def _note_seal(book: Logbook, entry: bytes) -> None:
    header, _ = open_seal_entry(entry)
    place = header.meter, header.register
    if place in book.registers and header.mode == MODE_COMMITTED:
        book.registers[place].seals.append(header)
