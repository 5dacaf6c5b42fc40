"""The count of a pulse meter on disk: every pulse is there before anything is answered.

A folder holds `count`, a checked total, and `pulses.N`, a journal that grows by one byte
a pulse: a byte written outlives a kill of the program at once, and a power cut once it is
synced. The journal's length is its content, so a damaged byte harms nothing; `floor` is
what was last synced, so a journal that lost its end is known. From time to time a new
total takes the journal's place, atomically. This module must never guess: what is damaged
is refused with the file's name, and a count never goes back.
"""

import fcntl
import os
import threading
import zlib
from pathlib import Path
from typing import Final

from meterseal_proto.errors import Unavailable

JOURNAL_LIMIT: Final = 65_536
"""Pulses in a journal before a new total takes its place: a day of an electricity meter
in one file system block or sixteen."""
MAX_COUNT: Final = (1 << 63) - 1
MAX_FILE: Final = 200
"""Bytes of a `count` file: its line has 70 at most."""
COUNT: Final = "count"
FLOOR: Final = "floor"
MAGIC: Final = "meterseal-pulses-1"
_PULSE: Final = b"\x01"
_MODE: Final = 0o600


class DamagedCount(Unavailable):
    """The count on disk cannot be trusted; only somebody who reads the meter can help."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the pulse count in {path} is damaged: {why}; read the meter's display, move "
            "the folder away and give what the meter shows as the start"
        )


class PulseCount:
    """An open count; one program at a time has it.

    count = PulseCount(folder)     # Unavailable: damaged, in use, disk trouble
    count.add(1)                   # outlives a kill from here
    count.sync()                   # outlives a power cut from here
    """

    def __init__(self, folder: Path, journal_limit: int = JOURNAL_LIMIT) -> None:
        self._folder = folder
        self._limit = journal_limit
        self._turn = threading.Lock()
        self._syncing = threading.Lock()
        self._journal = self._lock = self._synced = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._generation, self._base = _load(folder)
            self._open_journal()
        except OSError as error:
            self.close()
            raise _trouble(folder, error) from error
        except Unavailable:
            self.close()
            raise

    @property
    def total(self) -> int:
        """Pulses counted since the folder was made."""
        return self._base + self._added

    def add(self, pulses: int) -> None:
        """Count `pulses`, 0 or more. Raises Unavailable when the disk takes fewer."""
        if pulses < 0:
            raise ValueError("a count never goes back")
        with self._turn:
            try:
                written = os.write(self._journal, _PULSE * pulses) if pulses else 0
            except OSError as error:
                raise _trouble(self._folder, error) from error
            self._added += written
        if written < pulses:
            raise Unavailable(f"{self._folder}: the disk is full; make room on it")

    def sync(self) -> int:
        """Make what is counted outlive a power cut, and return that total.

        Blocks for as long as the disk takes; one call at a time. After an Unavailable
        the count must be closed and opened again: what a failed sync left in memory is
        not on the disk.
        """
        with self._syncing:
            try:
                total = self.total
                if total == self._synced:
                    return total
                os.fsync(self._journal)
                _write(self._folder / FLOOR, 0, total)
                self._synced = total
                if self._added >= self._limit:
                    with self._turn:
                        self._renew()
            except OSError as error:
                raise _trouble(self._folder, error) from error
        return total

    def close(self) -> None:
        """Let go of the folder; a second time it does nothing."""
        with self._syncing:
            for handle in (self._journal, self._lock):
                if handle >= 0:
                    os.close(handle)
            self._journal = self._lock = -1

    def _open_journal(self) -> None:
        path = journal_path(self._folder, self._generation)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._journal = os.open(path, flags, _MODE)
        self._added = os.fstat(self._journal).st_size
        _sync_folder(self._folder)
        if self.total > MAX_COUNT:
            raise DamagedCount(path, "it is longer than any meter counts")
        _, floor = _parsed(self._folder / FLOOR)
        if self.total < floor:
            raise DamagedCount(path, f"it was {floor - self.total} pulses longer")
        for stale in self._folder.glob("pulses.*"):
            if stale != path:
                stale.unlink()

    def _renew(self) -> None:
        """Put a new total in the place of total and journal."""
        total, generation = self.total, self._generation + 1
        os.fsync(self._journal)
        _write(self._folder / COUNT, generation, total)
        # From here on the old journal counts nothing, whatever happens to us.
        os.close(self._journal)
        self._journal = -1
        self._base, self._generation = total, generation
        self._open_journal()


def journal_path(folder: Path, generation: int) -> Path:
    """Return where the pulses after the `generation`th total are counted."""
    return folder / f"pulses.{generation}"


def _load(folder: Path) -> tuple[int, int]:
    """Return generation and total; a folder without pulses begins at 0."""
    path = folder / COUNT
    if not path.exists():
        if any(journal.stat().st_size for journal in folder.glob("pulses.*")):
            raise DamagedCount(path, "it is missing, and pulses are there")
        # The journal and the floor come first: where a count is, they are.
        journal_path(folder, 0).touch(_MODE)
        _write(folder / FLOOR, 0, 0)
        _write(path, 0, 0)
    generation, total = _parsed(path)
    # A new total may be written and its journal not yet made: then the old one is there.
    if not any(journal_path(folder, g).exists() for g in (generation, generation - 1)):
        raise DamagedCount(path, f"its journal pulses.{generation} is missing")
    return generation, total


def _parsed(path: Path) -> tuple[int, int]:
    try:
        content = path.read_bytes()[:MAX_FILE]
    except FileNotFoundError:
        raise DamagedCount(path, "it is missing") from None
    words = content.decode("ascii", errors="replace").split(" ")
    if len(words) != 4 or not (words[1].isdecimal() and words[2].isdecimal()):
        raise DamagedCount(path, "it holds no count")
    if content != _line(int(words[1]), int(words[2])):
        raise DamagedCount(path, "its checksum does not fit")
    return int(words[1]), int(words[2])


def _line(generation: int, total: int) -> bytes:
    text = f"{MAGIC} {generation} {total}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def _write(path: Path, generation: int, total: int) -> None:
    """Replace a file as a whole: after a power cut it is the old or the new one."""
    draft = path.with_name(f".{path.name}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    try:
        os.write(handle, _line(generation, total))
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)
    _sync_folder(path.parent)


def _locked(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Unavailable(f"another program counts in {folder}; stop it") from None
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _trouble(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(f"cannot keep the pulse count in {folder}: {error.strerror}")
