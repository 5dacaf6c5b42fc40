"""The XML of a Green Button file, digested entry by entry within bounds.

expat reads it: no DTD, so no entity can grow, and nothing outside is asked for. What is
kept are ReadingTypes, which MeterReading links to which, and the intervals as written.
This module must never hold more of a file than one entry and its numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final
from xml.parsers import expat

from meterseal_aggregator.billing.rendering.espi import ATOM, ESPI, INT48
from meterseal_proto.errors import Malformed

MAX_READINGS: Final = 400 * 288
"""400 days of five minutes, over all series of a file."""
MAX_ENTRIES: Final = 20_000
MAX_ELEMENTS: Final = 2_000_000
"""Of a whole file: readings have eight at most, and expat takes a second for a million."""
MAX_DEPTH: Final = 24
MAX_CHILDREN: Final = 4_096
"""Elements of one entry, IntervalReadings aside."""
MAX_VERSIONS: Final = 2
"""Unlike ReadingTypes compared under one address: with two it is refused already."""
MAX_VALUE_CHARS: Final = 512
MAX_INTERVAL_S: Final = 32 * 86_400
"""A month: a longer interval is no series."""
MAX_TIME: Final = 1 << 33

_PARTED: Final = "}"
_DIGITS: Final = 15
_MIXED: Final = 13
_QUALITIES: Final = frozenset({0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19})


@dataclass(frozen=True, slots=True)
class Raw:
    """An IntervalReading as written: its value in the ReadingType's unit."""

    start: int
    length: int
    value: int
    quality: int | None


@dataclass(slots=True)
class Digest:
    """What a file holds, by the addresses its links give."""

    types: dict[str, list[dict[str, int]]] = field(default_factory=dict)
    """ReadingTypes: the numbers that each told, which are unlike where there are more."""
    kinds: dict[str, set[str]] = field(default_factory=dict)
    """MeterReadings: addresses of what each is related to."""
    blocks: dict[str, list[Raw]] = field(default_factory=dict)
    """Readings by the MeterReading they are of."""
    raw: list[Raw] = field(default_factory=list)
    """Readings of the entry that is being read."""
    readings: int = 0
    entries: int = 0


def digest(data: bytes) -> Digest:
    """Return what a file holds; Malformed for bad XML, a DTD, or more than the bounds."""
    parser = expat.ParserCreate(namespace_separator=_PARTED)
    handler = _Handler(Digest())
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.buffer_text = True
    try:
        parser.ParseFile(BytesIO(data))
    except expat.ExpatError as error:
        where = max(parser.ErrorByteIndex, 0)
        raise Malformed(f"not well-formed XML: {error}", where) from None
    except (ValueError, LookupError) as error:
        raise Malformed(f"not readable XML: {error}") from None
    return handler.found


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    links: dict[str, set[str]] = field(default_factory=dict)
    children: list["_Element"] = field(default_factory=list)

    def child(self, name: str) -> "_Element | None":
        """Return the one child of a name, None without; Malformed for two."""
        found = [one for one in self.children if one.name == name]
        if len(found) > 1:
            raise Malformed(f"{self.name} has {len(found)} {name}, it may have one")
        return found[0] if found else None

    def number(self, name: str, default: int | None = None) -> int:
        """Return a child's integer; `default` without the child, if there is one."""
        found = self.child(name)
        if found is None:
            if default is None:
                raise Malformed(f"{self.name} lacks its {name}")
            return default
        text = found.text.strip()
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS:
            raise Malformed(f"{name} is {text[:20]!r}, not an integer")
        value = int(text)
        if not -INT48 < value < INT48:
            raise Malformed(f"{name} is beyond 48 bits")
        return value


class _Handler:
    """expat's events become entries; each is digested and dropped at its end."""

    def __init__(self, found: Digest) -> None:
        self.found = found
        self.open: list[_Element] = []
        self.elements = 0
        self.children = self.before = 0
        """Elements kept of the entry, now and before the IntervalReading that is open."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(_PARTED)
        if not self.open and (space, local) not in ((ATOM, "feed"), (ATOM, "entry")):
            raise Malformed("not a Green Button file: it begins with an Atom feed")
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise Malformed(f"a file has at most {MAX_ELEMENTS} elements")
        if len(self.open) >= MAX_DEPTH:
            raise Malformed(f"elements are nested deeper than {MAX_DEPTH}")
        if (space, local) == (ATOM, "entry"):
            if len(self.open) > 1:
                raise Malformed("an entry stands in the feed, not in another element")
            self.children, self.found.raw = 0, []
        if (space, local) == (ESPI, "IntervalReading"):
            self.before = self.children
        element = _Element(local if space in (ATOM, ESPI) else "")
        if (space, local) == (ATOM, "link") and self.open:
            links = self.open[-1].links.setdefault(attributes.get("rel", ""), set())
            links.add(attributes.get("href", "").rstrip("/"))
        self.open.append(element)

    def text(self, text: str) -> None:
        here = self.open[-1]
        if not here.name:
            return
        here.text += text
        if len(here.text) > MAX_VALUE_CHARS:
            if here.text.strip():
                raise Malformed(f"a text of more than {MAX_VALUE_CHARS} characters")
            # Blanks before a value or between elements may be many.
            here.text = ""

    def end(self, name: str) -> None:
        space, _, local = name.rpartition(_PARTED)
        element = self.open.pop()
        if (space, local) == (ESPI, "IntervalReading"):
            self._interval(element)
        elif (space, local) == (ATOM, "entry"):
            self.found.entries += 1
            if self.found.entries > MAX_ENTRIES:
                raise Malformed(f"a file has at most {MAX_ENTRIES} entries")
            _digest(self.found, element)
        elif self.open and self.open[-1].name != "feed":
            self.children += 1
            if self.children > MAX_CHILDREN:
                raise Malformed(f"an entry has at most {MAX_CHILDREN} elements")
            self.open[-1].children.append(element)

    def _interval(self, element: _Element) -> None:
        self.found.readings += 1
        self.children = self.before
        if self.found.readings > MAX_READINGS:
            raise Malformed(f"a file has at most {MAX_READINGS} readings")
        self.found.raw.append(_raw(element))


def _refuse_doctype(*_declared: object) -> None:
    raise Malformed("a Green Button file has no DTD")


def _raw(element: _Element) -> Raw:
    period = element.child("timePeriod")
    if period is None:
        raise Malformed("an IntervalReading lacks its timePeriod")
    start, length = period.number("start"), period.number("duration")
    if not 0 <= start < MAX_TIME or not 0 < length <= MAX_INTERVAL_S:
        raise Malformed(f"an interval of {length} s at {start} is no interval")
    value = element.number("value")
    if value < 0:
        raise Malformed(f"the interval at {start} is negative: {value}")
    told = [one for one in element.children if one.name == "ReadingQuality"]
    qualities = [one.number("quality") for one in told]
    return Raw(start, length, value, _worst(qualities))


def _worst(qualities: list[int]) -> int | None:
    """Return what stands for several codes: 13, "mixed", where they are unlike."""
    for quality in qualities:
        if quality not in _QUALITIES:
            raise Malformed(f"{quality} is no QualityOfReading")
    return (
        None if not qualities else _MIXED if len(set(qualities)) > 1 else qualities[0]
    )


def _digest(found: Digest, entry: _Element) -> None:
    content = entry.child("content")
    resource = content.children[0] if content is not None and content.children else None
    if resource is None:
        return
    digest = _DIGESTS.get(resource.name)
    if digest is not None:
        digest(found, entry, resource)


def _digest_type(found: Digest, entry: _Element, resource: _Element) -> None:
    told = {
        name: resource.number(name)
        for name in _TYPE_FIELDS
        if resource.child(name) is not None
    }
    for address in entry.links.get("self", ()):
        versions = found.types.setdefault(address, [])
        if told not in versions and len(versions) < MAX_VERSIONS:
            versions.append(told)


def _digest_meter_reading(found: Digest, entry: _Element, resource: _Element) -> None:
    del resource
    for address in entry.links.get("self", ()):
        found.kinds.setdefault(address, set()).update(entry.links.get("related", ()))


def _digest_block(found: Digest, entry: _Element, resource: _Element) -> None:
    del resource
    if not found.raw:
        return
    address = next(_meter_readings(entry), None)
    if address is None:
        raise Malformed("an IntervalBlock says by no link which MeterReading it is of")
    found.blocks.setdefault(address, []).extend(found.raw)


def _meter_readings(entry: _Element) -> Iterator[str]:
    """Yield the address that stands before "/IntervalBlock" in an entry's links."""
    for relation in ("up", "self"):
        for address in sorted(entry.links.get(relation, ())):
            head, found, _ = address.rpartition("/IntervalBlock")
            if found:
                yield head


_TYPE_FIELDS: Final = (
    "accumulationBehaviour",
    "commodity",
    "defaultQuality",
    "flowDirection",
    "powerOfTenMultiplier",
    "uom",
)
_DIGESTS: Final[dict[str, Callable[[Digest, _Element, _Element], None]]] = {
    "ReadingType": _digest_type,
    "MeterReading": _digest_meter_reading,
    "IntervalBlock": _digest_block,
}
