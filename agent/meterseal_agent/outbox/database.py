"""The outbox's file: SQLite opened so that a power cut takes nothing that was committed.

WAL with synchronous=FULL, asserted at every opening (SQLite's defaults lose rows on a
power cut); one writer, held by a lock on the folder; small pages and a page limit, so
that an agent offline for a season can never fill the Pi's card. After any I/O error
the connection is closed: what a failed fsync left in memory must never be trusted.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meterseal_proto.errors import Unavailable

OUTBOX: Final = "outbox.sqlite"
"""The file of an outbox, in the agent's `data_dir`."""
PAGE_BYTES: Final = 1024
"""Small pages: a record of 25 bytes then costs the card one kilobyte, not four."""
PAGES_PER_REGISTER: Final = 4096
"""4 MiB a register: 90 days of 15-minute intervals, six times over."""
PAGES_RESERVED: Final = 32
"""A register's pages that records may not take: a seal of 100 intervals needs six, its
receipt a few more. Without them a full outbox could not drain."""
PAGES_BASE: Final = 256
"""The schema and the pages of trees in motion."""
WAL_PAGES: Final = 1000
"""Pages in the write-ahead log before it is folded into the file: 1 MiB on the card."""
SCHEMA_VERSION: Final = 6

SCHEMA: Final = """
CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    meter BLOB NOT NULL CHECK (length(meter) = 16),
    register INTEGER NOT NULL,
    step INTEGER NOT NULL CHECK (step > 0),
    capacity_w INTEGER NOT NULL CHECK (capacity_w > 0),
    seq INTEGER NOT NULL CHECK (seq >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    end_at INTEGER NOT NULL,
    value INTEGER NOT NULL CHECK (value >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= seq),
    tried INTEGER NOT NULL,
    state TEXT,
    UNIQUE (meter, register)
);
CREATE TABLE records (
    chain INTEGER NOT NULL REFERENCES chains (id),
    start INTEGER NOT NULL,
    length INTEGER NOT NULL CHECK (length > 0),
    delta INTEGER NOT NULL CHECK (delta >= 0),
    value INTEGER NOT NULL CHECK (value >= 0),
    quality INTEGER NOT NULL,
    seq INTEGER,
    PRIMARY KEY (chain, start)
) WITHOUT ROWID;
CREATE INDEX pending ON records (chain, start) WHERE seq IS NULL;
CREATE TABLE seals (
    id INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chains (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    first INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    value INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    payload BLOB NOT NULL,
    signed INTEGER NOT NULL DEFAULT 0 CHECK (signed IN (0, 1)),
    answered_at INTEGER,
    reason INTEGER,
    UNIQUE (chain, seq)
);
CREATE UNIQUE INDEX unanswered ON seals (chain) WHERE answered_at IS NULL;
CREATE INDEX answered ON seals (answered_at) WHERE answered_at IS NOT NULL;
CREATE TRIGGER a_seal_is_never_cut_again BEFORE UPDATE OF chain, seq, first, hash ON seals
BEGIN SELECT RAISE (ABORT, 'a seal is never cut again'); END;
CREATE TRIGGER a_signed_seal_keeps_its_bytes BEFORE UPDATE OF payload ON seals
WHEN old.signed BEGIN SELECT RAISE (ABORT, 'a signed seal keeps its bytes'); END;
CREATE TRIGGER only_an_answer_empties BEFORE DELETE ON seals
WHEN old.answered_at IS NULL BEGIN SELECT RAISE (ABORT, 'not answered yet'); END;
"""

DAYS: Final = """
CREATE TABLE days (
    chain INTEGER NOT NULL REFERENCES chains (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    first INTEGER NOT NULL,
    step INTEGER NOT NULL CHECK (step > 0),
    leaves_at INTEGER NOT NULL,
    slots BLOB NOT NULL,
    untold INTEGER NOT NULL CHECK (untold >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    reason INTEGER,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX tellings ON days (chain, first);
CREATE TRIGGER a_day_keeps_its_values BEFORE UPDATE OF chain, seq, first, slots, hash
ON days BEGIN SELECT RAISE (ABORT, 'a day keeps its values'); END;
"""
"""Version 2: the values of committed days, which are in no seal."""

OPENINGS: Final = """
CREATE TABLE tariffs (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    document BLOB NOT NULL,
    learned_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE openings (
    id INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chains (id),
    begin INTEGER NOT NULL,
    end_at INTEGER NOT NULL CHECK (end_at > begin),
    tariff BLOB NOT NULL REFERENCES tariffs (hash),
    amount TEXT NOT NULL,
    revision INTEGER NOT NULL,
    headers BLOB NOT NULL,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    proof BLOB NOT NULL,
    consent BLOB NOT NULL,
    UNIQUE (chain, previous),
    UNIQUE (chain, begin, end_at, tariff)
);
CREATE TRIGGER what_was_opened_stays_opened BEFORE DELETE ON openings
BEGIN SELECT RAISE (ABORT, 'what was opened stays opened'); END;
CREATE TRIGGER an_opening_never_changes BEFORE UPDATE ON openings
BEGIN SELECT RAISE (ABORT, 'an opening never changes'); END;
"""
"""Version 3: what was opened of committed days, and the tariffs that were known in time."""

DEPOSITS: Final = """
CREATE TABLE deposits (
    meter BLOB PRIMARY KEY CHECK (length(meter) = 16),
    payload BLOB NOT NULL,
    kept BLOB CHECK (length(kept) = 192)
) WITHOUT ROWID;
CREATE TRIGGER a_deposit_keeps_its_bytes BEFORE UPDATE OF meter, payload ON deposits
BEGIN SELECT RAISE (ABORT, 'a deposit keeps its bytes'); END;
CREATE TRIGGER what_trustees_keep_stays_kept BEFORE UPDATE OF kept ON deposits
WHEN old.kept IS NOT NULL BEGIN SELECT RAISE (ABORT, 'kept is kept'); END;
"""
"""Version 4: mask seeds as they are sent to trustees, and who of them signed for them."""

MEMORIES: Final = """
CREATE TABLE memories (
    chain INTEGER PRIMARY KEY REFERENCES chains (id),
    since INTEGER NOT NULL,
    opening BLOB CHECK (opening IS NULL OR length(opening) = 32),
    checked INTEGER NOT NULL DEFAULT 0
);
"""
"""Version 5: since when a chain's openings are known for sure."""

NETTED: Final = """
CREATE TABLE netted (
    chain INTEGER NOT NULL REFERENCES chains (id),
    first INTEGER NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (chain, first)
) WITHOUT ROWID;
CREATE TRIGGER what_was_told_of_a_day_stays BEFORE UPDATE ON netted
BEGIN SELECT RAISE (ABORT, 'what was told of a day stays'); END;
CREATE TRIGGER what_was_told_goes_with_its_day BEFORE DELETE ON netted
WHEN EXISTS (SELECT 1 FROM days d WHERE d.chain = old.chain AND d.first = old.first)
BEGIN SELECT RAISE (ABORT, 'what was told goes with its day'); END;
"""
"""Version 6: what was told of committed days' slots for netting."""

_STEPS: Final = (SCHEMA, DAYS, OPENINGS, DEPOSITS, MEMORIES, NETTED)
"""What each version added, the first first."""


class File:
    """One SQLite file, its lock and its limit; used by one thread at a time."""

    def __init__(self, path: Path, registers: int) -> None:
        self._path = path
        self._pages = PAGES_BASE + PAGES_PER_REGISTER * registers
        self._spare = PAGES_RESERVED * registers
        self._lock = _locked(path.with_suffix(".lock"))
        self._connection: sqlite3.Connection | None = None
        self.connection()

    @property
    def max_bytes(self) -> int:
        """The size this file will never pass."""
        return self._pages * PAGE_BYTES

    def close(self) -> None:
        """Fold the log into the file, close it and give up the lock."""
        self._drop()
        os.close(self._lock)

    def connection(self) -> sqlite3.Connection:
        """Return the open connection; Unavailable when the file cannot be opened."""
        if self._connection is None:
            try:
                self._connection = _opened(self._path, self._pages)
            except sqlite3.Error as error:
                raise Unavailable(
                    f"the outbox {self._path} does not open: {error}"
                ) from error
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body in one durable transaction, or leave no trace of it.

        Raises Unavailable when the disk is full or fails; the connection is then
        reopened before the next use.
        """
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._drop()
            raise Unavailable(f"the outbox could not be written: {error}") from error
        except BaseException:
            connection.rollback()
            raise

    def free_pages(self) -> int:
        """Return how many pages records may still take; negative when beyond."""
        connection = self.connection()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return self._pages - self._spare - int(pages) + int(free)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _locked(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise Unavailable(
            f"another meterseal-agent is using {path.parent}: stop it first"
        ) from None
    return handle


def _opened(path: Path, pages: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, pages)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _prepare(connection: sqlite3.Connection, pages: int) -> None:
    pragmas = {
        "page_size": PAGE_BYTES,
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "max_page_count": pages,
        "wal_autocheckpoint": WAL_PAGES,
        "journal_size_limit": WAL_PAGES * PAGE_BYTES,
    }
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}")
        # wal_autocheckpoint and the limits have no safety to lose; the others do.
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != value and name != "max_page_count":
            raise sqlite3.DatabaseError(f"{name} is {found!r}, it must be {value!r}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < SCHEMA_VERSION:
        missing = "".join(_STEPS[version:])
        connection.executescript(
            f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    elif version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(
            f"its schema is version {version}, this program knows {SCHEMA_VERSION}"
        )
