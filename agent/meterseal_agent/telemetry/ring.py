"""The ring on disk: batches as they are sent, the oldest making room for the newest.

A SQLite file of its own, apart from the outbox and with a limit of its own, so telemetry
can fill only what is telemetry's. It is written without waiting for the card (a power cut
may take the last batches, as telemetry may be lost), and a damaged file is laid aside for
an empty one. Used by one thread. This module must never raise into what reads a meter.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_proto.errors import Unavailable
from meterseal_proto.spans import Span, Spans, gaps, minus, union
from meterseal_proto.telemetry import Batch, encode_batch
from meterseal_proto.units import MeterId

PAGE_BYTES: Final = 4096
MAX_BYTES: Final = 96 << 20
"""What the card gives to telemetry: a week of 20 meters every ten seconds."""
RESERVED_PAGES: Final = 64
"""Pages that batches may not take, so that dropping and marking always have room."""
DROP_BATCHES: Final = 256
"""Batches dropped at once when the ring is full: some tens of kilobytes."""
WAL_PAGES: Final = 250
LIVE_S: Final = 180
"""Batches that ended so lately go first: whoever looks at a screen looks at now."""
SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    meter BLOB NOT NULL CHECK (length(meter) = 16),
    begin_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL CHECK (end_at > begin_at),
    samples INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1)),
    payload BLOB NOT NULL
);
CREATE INDEX waiting ON batches (id, meter, begin_at, end_at, samples) WHERE NOT taken;
CREATE INDEX of_meter ON batches (meter, begin_at);
CREATE TABLE tallies (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO tallies VALUES ('dropped', 0);
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A batch in the ring: what to send, and what to note once it has arrived."""

    id: int
    meter: MeterId
    span: Span
    samples: int
    payload: bytes


@dataclass(slots=True)
class _Waiting:
    """What of a meter nobody has taken yet, kept in step with the file: counting it
    there would read every batch of a week, every few seconds."""

    batches: int = 0
    samples: int = 0
    spans: Spans = ()

    def more(self, span: Span, samples: int) -> None:
        self.batches += 1
        self.samples += samples
        self.spans = union((*self.spans, span))

    def less(self, span: Span, samples: int) -> None:
        self.batches -= 1
        self.samples -= samples
        self.spans = minus(self.spans, (span,))


@dataclass(frozen=True, slots=True)
class RingState:
    """How full the ring is: samples that nobody has taken yet, the oldest of them
    (UTC Unix seconds), and samples dropped before anybody did, in all its life."""

    batches: int
    waiting: int
    oldest: int | None
    dropped: int
    bytes: int


class Ring:
    """One file for all meters of an agent.

    ring = Ring(path)                       # Unavailable when it cannot be opened
    ring.add(batches); held = ring.next(now)
    ring.take(held)                         # it was acknowledged
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._pages = max_bytes // PAGE_BYTES
        self.damaged = False
        """Whether a file was found that could not be used, and was laid aside."""
        self._connection = self._open()
        self._waiting: dict[MeterId, _Waiting] = {}
        self._count()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, batches: Sequence[Batch]) -> int:
        """Keep batches, dropping the oldest where the ring is full; returns how many.

        Raises Unavailable when the card fails.
        """
        rows = [
            (b.meter, b.span.begin, b.span.end, len(b.rows), encode_batch(b))
            for b in batches
        ]
        try:
            self._make_room()
            with self._connection as tx:
                tx.executemany(
                    "INSERT INTO batches (meter, begin_at, end_at, samples, payload)"
                    " VALUES (?,?,?,?,?)",
                    rows,
                )
        except sqlite3.Error as error:
            raise Unavailable(f"the telemetry ring failed: {error}") from error
        for batch in batches:
            self._of(batch.meter).more(batch.span, len(batch.rows))
        return len(rows)

    def next(self, now: int) -> Held | None:
        """Return the batch to send: one of the last LIVE_S before `now`, else the oldest."""
        newest = self._held("ORDER BY id DESC")
        if newest is None or newest.span.end >= now - LIVE_S:
            return newest
        return self._held("ORDER BY id")

    def take(self, held: Held) -> bool:
        """Note that a batch has arrived; it stays until the ring needs its room.

        False when it was noted before, or has gone meanwhile.
        """
        with self._connection as tx:
            noted = tx.execute(
                "UPDATE batches SET taken = 1 WHERE id = ? AND NOT taken", (held.id,)
            ).rowcount
        if noted:
            self._of(held.meter).less(held.span, held.samples)
        return bool(noted)

    def again(self, meter: MeterId, span: Span, now: int) -> int:
        """Lay out for sending again what the ring holds of `span`; returns how many batches.

        Of the rest it says that there is nothing, in a batch without samples, so that
        nobody asks for ever. What is later than the last batch, or than `now` when
        there is none, is not told yet, and will be.
        """
        with self._connection as tx:
            found = tx.execute(
                "UPDATE batches SET taken = 0"
                " WHERE meter = ? AND begin_at < ? AND end_at > ? AND taken"
                " RETURNING begin_at, end_at, samples",
                (meter, span.end, span.begin),
            ).fetchall()
        for begin, end, samples in found:
            self._of(meter).more(Span(begin, end), samples)
        held = self.held(meter)
        told_to = min(span.end, held[-1].end if held else now)
        if span.begin >= told_to:
            return len(found)
        lacking = gaps(Span(span.begin, told_to), held)
        self.add([Batch(meter, 0, gap, (), ()) for gap in lacking])
        return len(found) + len(lacking)

    def held(self, meter: MeterId) -> Spans:
        """Return the time of which the ring holds all samples of a meter."""
        return self._spans(
            "SELECT begin_at, end_at FROM batches WHERE meter = ?", meter
        )

    def missing(self, meter: MeterId) -> Spans:
        """Return the gap map: the time held of a meter that nobody has taken yet."""
        return self._of(meter).spans

    def state(self) -> RingState:
        """Return how full the ring is."""
        oldest = self._connection.execute(
            "SELECT begin_at FROM batches WHERE NOT taken ORDER BY id LIMIT 1"
        ).fetchone()
        (dropped,) = self._one("SELECT count FROM tallies WHERE name = 'dropped'")
        (pages,) = self._one("PRAGMA page_count")
        return RingState(
            sum(one.batches for one in self._waiting.values()),
            sum(one.samples for one in self._waiting.values()),
            oldest[0] if oldest else None,
            dropped,
            pages * PAGE_BYTES,
        )

    def _of(self, meter: MeterId) -> _Waiting:
        return self._waiting.setdefault(meter, _Waiting())

    def _count(self) -> None:
        """Count once what a file holds that was filled before."""
        spans: dict[MeterId, list[Span]] = {}
        for meter, begin, end, samples in self._connection.execute(
            "SELECT meter, begin_at, end_at, samples FROM batches WHERE NOT taken"
        ):
            spans.setdefault(MeterId(meter), []).append(Span(begin, end))
            waiting = self._of(MeterId(meter))
            waiting.batches += 1
            waiting.samples += samples
        for name, found in spans.items():
            self._of(name).spans = union(found)

    def _held(self, order: str) -> Held | None:
        row = self._connection.execute(
            "SELECT id, meter, begin_at, end_at, samples, payload FROM batches"  # noqa: S608
            f" WHERE NOT taken {order} LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        number, meter, begin, end, samples, payload = row
        return Held(number, MeterId(meter), Span(begin, end), samples, payload)

    def _one(self, statement: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self._connection.execute(statement).fetchone()
        return row

    def _spans(self, statement: str, meter: MeterId) -> Spans:
        rows: Iterable[tuple[int, int]] = self._connection.execute(statement, (meter,))
        return union(Span(begin, end) for begin, end in rows)

    def _make_room(self) -> None:
        """Drop the oldest batches while the file is full, and count the samples lost."""
        while self._full():
            with self._connection as tx:
                gone = tx.execute(
                    "DELETE FROM batches WHERE id IN"
                    " (SELECT id FROM batches ORDER BY id LIMIT ?)"
                    " RETURNING meter, begin_at, end_at, samples, taken",
                    (DROP_BATCHES,),
                ).fetchall()
                lost = sum(samples for _, _, _, samples, taken in gone if not taken)
                tx.execute("UPDATE tallies SET count = count + ?", (lost,))
            for meter, begin, end, samples, taken in gone:
                if not taken:
                    self._of(MeterId(meter)).less(Span(begin, end), samples)
            if not gone:
                return

    def _full(self) -> bool:
        (pages,) = self._one("PRAGMA page_count")
        (free,) = self._one("PRAGMA freelist_count")
        return self._pages - RESERVED_PAGES - pages + free <= 0

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.DatabaseError:
            self.damaged = True
        try:
            self._path.replace(self._path.with_suffix(".damaged"))
            for tail in ("-wal", "-shm"):
                self._path.with_name(self._path.name + tail).unlink(missing_ok=True)
            return self._opened()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(
                f"the telemetry ring {self._path} does not open: {error}"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._path.chmod(0o600)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for name, value in {
            "page_size": PAGE_BYTES,
            "journal_mode": "wal",
            "synchronous": 1,
            "max_page_count": self._pages,
            "wal_autocheckpoint": WAL_PAGES,
            "journal_size_limit": WAL_PAGES * PAGE_BYTES,
        }.items():
            connection.execute(f"PRAGMA {name} = {value}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"its schema is version {version}")
