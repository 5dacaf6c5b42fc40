"""The meters and the log of the chain's tour: what devices sign, made by our own proto.

Reads one request a line, JSON, from standard input and answers one line for each:
`{"do": name, ...}`. Bytes travel as hex, times are UTC Unix seconds, energy is Wh. The
tour brings what is answered before the contracts, which know nothing of Python: where
one byte differed they would refuse it. Secrets follow from a meter's name, so this must
never be used for a real one.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final, TypeAlias

from meterseal_proto.binding import Binding, KeyChange
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import decode
from meterseal_proto.commitment import Slot, total
from meterseal_proto.committed import (
    header_over,
    openings_of,
    records_of,
    summed_opening,
)
from meterseal_proto.curve import FIELD, decompress
from meterseal_proto.entry import leaf_of, seal_entry
from meterseal_proto.keys import RootSecret, SealKey
from meterseal_proto.merkle import inclusion_proof, root_of
from meterseal_proto.rangeprover import Opening
from meterseal_proto.seal import (
    Header,
    OpenRecord,
    record_root,
    record_salt,
)
from meterseal_proto.totals import set_hash
from meterseal_proto.units import MeterId, RegisterId

CHAIN_ID: Final = 0x80000000
IMPORT: Final = RegisterId(0x0100_0108_00FF)
EXPORT: Final = RegisterId(0x0100_0208_00FF)
STEP: Final = 900
BITS: Final = 16
GOOD: Final = 14
"""ESPI: raw, read by the meter itself."""

Json: TypeAlias = dict[str, object]
Point: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Meter:
    """A meter with its keys and where each register's chain of seals stands."""

    name: str
    network: bytes
    epoch: int = 0
    heads: dict[RegisterId, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def root(self) -> RootSecret:
        """The secret all its keys come from: a hash of its name, known to everybody."""
        return RootSecret(hashlib.sha256(f"tour {self.name}".encode()).digest())

    @property
    def id(self) -> MeterId:
        """Its 16 bytes."""
        return MeterId(hashlib.sha256(self.name.encode()).digest()[:16])

    @property
    def key(self) -> SealKey:
        """The key it seals with now."""
        return self.root.seal_key(epoch=self.epoch)

    def header(self, register: RegisterId, first: int) -> Header:
        """Return the next header of a register, over nothing yet."""
        seq, prev = self.heads.get(register, (0, bytes(32)))
        empty = bytes(32)
        return Header(
            self.network, self.id, register, first, STEP, 0, seq + 1, prev, empty
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A sealed header in the log, and for a committed day what opens its sum."""

    header: Header
    opening: Opening | None = None


class Street:
    """All meters of the tour, and the log their seals are in."""

    def __init__(self, network: bytes) -> None:
        self.network = network
        self.meters: dict[str, Meter] = {}
        self.leaves: list[bytes] = []
        self.told: list[Told] = []

    def meter(self, request: Json) -> Json:
        """Return the meter of a name, made where it was never asked for."""
        found = self._meter(request)
        return {"meter": found.id.hex(), "key": found.key.public.raw.hex()}

    def bind(self, request: Json) -> Json:
        """Sign that the meter is bound to `owner` (consensus bytes) from seq `from` on."""
        meter, owner = self._meter(request), decode(_bytes(request, "owner"))
        assert isinstance(owner, Principal)
        wish = Binding(self.network, meter.id, owner, _number(request, "from"))
        return {"signature": meter.key.sign(wish.digest(CHAIN_ID)).hex()}

    def rotate(self, request: Json) -> Json:
        """Give the meter its next key; the old and the new one sign the change."""
        meter, old = self._meter(request), self._meter(request).key
        meter.epoch += 1
        new, start = meter.key, _number(request, "from")
        wish = KeyChange(self.network, meter.id, new.public, start)
        digest = wish.digest(CHAIN_ID)
        return {
            "key": new.public.raw.hex(),
            "old": old.sign(digest).hex(),
            "new": new.sign(digest).hex(),
        }

    def seal(self, request: Json) -> Json:
        """Seal open readings: `deltas` Wh from `first` on, told for the `revision`th time."""
        meter, first = self._meter(request), _number(request, "first")
        register, revision = _register(request), _number(request, "revision")
        records, value = [], 1_000_000
        for n, delta in enumerate(_numbers(request, "deltas")):
            value += delta
            start = first + n * STEP
            records.append(OpenRecord(start, delta, value, GOOD, revision))
        key = meter.root.salt_key(meter.id)
        salts = [record_salt(key, register, r.start, STEP, revision) for r in records]
        leaves = [r.leaf(s) for r, s in zip(records, salts, strict=True)]
        header = replace(
            meter.header(register, first),
            root=record_root(records, salts),
            count=len(records),
        )
        rows = [
            {
                "record": asdict(r),
                "salt": s.hex(),
                "path": _hexes(inclusion_proof(leaves, n)),
            }
            for n, (r, s) in enumerate(zip(records, salts, strict=True))
        ]
        return self._log(meter, header) | {"records": rows}

    def day(self, request: Json) -> Json:
        """Seal a committed day of 96 `values` from `first` on."""
        meter, first = self._meter(request), _number(request, "first")
        place = Slot(self.network, meter.id, _register(request), first, STEP)
        values = _numbers(request, "values")
        openings = openings_of(place, values, meter.root.blind_key(meter.id))
        records = records_of(place, openings, [GOOD] * len(values))
        header = header_over(meter.header(place.register, first), records, BITS)
        return self._log(meter, header, summed_opening(openings))

    def checkpoint(self, _: Json) -> Json:
        """Return the log's size and root."""
        return {"size": len(self.leaves), "root": root_of(self.leaves).hex()}

    def prove(self, request: Json) -> Json:
        """Return the path of entry `index` in the log as it is."""
        return {"path": _hexes(inclusion_proof(self.leaves, _number(request, "index")))}

    def open(self, request: Json) -> Json:
        """Open the sum of the days `indexes`: usage, blinding and the additions."""
        days = [self.told[index] for index in _numbers(request, "indexes")]
        found = summed_opening([day.opening for day in days if day.opening is not None])
        return {
            "usage": found.value.reveal(),
            "z": found.blinding.to_bytes().hex(),
            "steps": _steps([day.header.sum for day in days]),
        }

    def cell(self, request: Json) -> Json:
        """Return a reporting set of the days `indexes`, and what opens their sum."""
        indexes = _numbers(request, "indexes")
        headers = [self.told[index].header for index in indexes]
        members = [(bytes(h.meter), h.digest(CHAIN_ID)) for h in headers]
        name, day = str(request["cell"]), _number(request, "day")
        return {
            "set": set_hash(self.network, name, day, members).hex(),
            "sum": total([h.sum for h in headers]).hex(),
        } | self.open(request)

    def _meter(self, request: Json) -> Meter:
        name = str(request["meter"])
        return self.meters.setdefault(name, Meter(name, self.network))

    def _log(
        self, meter: Meter, header: Header, opening: Opening | None = None
    ) -> Json:
        digest = header.digest(CHAIN_ID)
        signature = meter.key.sign(digest)
        meter.heads[header.register] = (header.seq, digest)
        self.leaves.append(leaf_of(seal_entry(header, signature)))
        self.told.append(Told(header, opening))
        return {
            "header": header.consensus().hex(),
            "hash": digest.hex(),
            "signature": signature.hex(),
            "index": len(self.leaves) - 1,
        }


def _bytes(request: Json, name: str) -> bytes:
    return bytes.fromhex(str(request[name]))


def _number(request: Json, name: str) -> int:
    return int(str(request[name]))


def _numbers(request: Json, name: str) -> list[int]:
    given = request[name]
    assert isinstance(given, list)
    return [int(one) for one in given]


def _register(request: Json) -> RegisterId:
    return EXPORT if request["register"] == "export" else IMPORT


def _hexes(items: Sequence[bytes]) -> list[str]:
    return [item.hex() for item in items]


def _steps(sums: Sequence[bytes]) -> list[Json]:
    """Return what privacy-proof wants to add points: p, x squared, the sum, the slope."""
    points = [_point(one) for one in sums]
    rows: list[Json] = []
    running = points[0]
    for n, point in enumerate(points):
        slope = 0
        if n > 0:
            slope = (point[1] - running[1]) * pow(point[0] - running[0], -1, FIELD)
            x = (slope * slope - running[0] - point[0]) % FIELD
            running = (x, (slope * (running[0] - x) - running[1]) % FIELD)
        square = point[0] * point[0] % FIELD
        rows.append(
            {
                "p": _long(point),
                "q": square.to_bytes(32).hex(),
                "s": _long(running),
                "l": (slope % FIELD).to_bytes(32).hex(),
            }
        )
    return rows


def _point(raw: bytes) -> Point:
    found = decompress(raw)
    assert found is not None
    return found


def _long(point: Point) -> str:
    return (point[0].to_bytes(32) + point[1].to_bytes(32)).hex()


def main() -> None:
    """Answer requests until there are no more; the network's id is the one argument."""
    street = Street(bytes.fromhex(sys.argv[1]))
    acts: dict[str, Callable[[Json], Json]] = {
        "meter": street.meter,
        "bind": street.bind,
        "rotate": street.rotate,
        "seal": street.seal,
        "day": street.day,
        "checkpoint": street.checkpoint,
        "prove": street.prove,
        "open": street.open,
        "cell": street.cell,
    }
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(acts[request["do"]](request)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
