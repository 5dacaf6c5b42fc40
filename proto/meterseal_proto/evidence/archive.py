"""The ZIP that evidence travels in: written the same every time, read with suspicion.

    read_archive(write_archive({"statement.json": document})) == {"statement.json": document}

A stranger's ZIP can lie about its sizes, hold one name twice, hide one file in another, or
unpack to more than a disk holds. So names are of a closed alphabet without folders, members
may not overlap, every size is checked before and while unpacking, and nothing is ever
written. How much a member may shrink is limited where it is large. Any tool's ZIP is read:
what is in it is told by its manifest, not by its wrapping. This module must never touch a
disk, and never unpack more than it said it would.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Final

from meterseal_proto.errors import Malformed, Reason, Rejected

MAX_ARCHIVE_BYTES: Final = 32 << 20
"""A year of quarter hours in seals of one record each, with proofs, takes a third of it."""
MAX_MEMBERS: Final = 128
"""Sixteen registers with seals, usage and history, thirteen tariffs, and a dozen more."""
MAX_MEMBER_BYTES: Final = 64 << 20
MAX_TOTAL_BYTES: Final = 128 << 20
FREE_BYTES: Final = 1 << 20
"""Up to here a member may shrink as it likes: a year of zeros has 100 kB."""
MAX_RATIO: Final = 200
"""Evidence is half made of hashes, which do not shrink at all."""
NAME: Final = re.compile(r"[a-z]{1,24}(-[1-9]\d{0,2})?\.(json|txt)")

_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_LOCAL_BYTES: Final = 30
_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest a ZIP can tell: when a file was packed is nobody's evidence."""
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 1
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What the standard library raises for a ZIP that is none, or is damaged."""


class Unreadable(Exception):
    """One member cannot be unpacked: `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is damaged: it cannot be unpacked")
        self.name = name


def is_archive(data: bytes) -> bool:
    """Tell whether bytes begin as a ZIP does."""
    return data.startswith(_STARTS)


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of files by name; the same bytes for the same files, by one zlib."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            assert NAME.fullmatch(name), name
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = _UNIX, _MODE
            archive.writestr(info, files[name])
    return buffer.getvalue()


def read_archive(data: bytes) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of a ZIP by name, and the names of those that are damaged.

    Raises Rejected (TOO_LARGE or MALFORMED) for what is no ZIP of evidence.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"at most {MAX_ARCHIVE_BYTES} bytes are read")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except _UNREADABLE:
        raise Malformed("not a ZIP that can be read") from None
    with archive:
        infos = archive.infolist()
        _check(infos, len(data))
        files, damaged = {}, []
        for info in infos:
            try:
                files[info.filename] = _unpacked(archive, info)
            except Unreadable as unreadable:
                damaged.append(unreadable.name)
    return files, tuple(damaged)


def _check(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Raise unless the directory is one of ours: names, sizes and places."""
    if not 0 < len(infos) <= MAX_MEMBERS:
        raise Malformed(f"a ZIP of evidence has 1 to {MAX_MEMBERS} files")
    if len({info.filename for info in infos}) < len(infos):
        raise Malformed("two files have one name")
    for info in infos:
        _check_member(info)
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"it unpacks to more than {MAX_TOTAL_BYTES}")
    end = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            raise Malformed("two files lie over each other")
        end = info.header_offset + _LOCAL_BYTES + len(info.filename)
        end += info.compress_size
    if end > size:
        raise Malformed("a file ends behind the ZIP")


def _check_member(info: zipfile.ZipInfo) -> None:
    if not NAME.fullmatch(info.orig_filename):
        raise Malformed("a file has a name that no evidence has")
    if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
        raise Malformed(f"{info.filename} is encrypted, or packed in a strange way")
    shrunk = info.file_size > MAX_RATIO * max(info.compress_size, 1)
    if info.file_size > MAX_MEMBER_BYTES or (info.file_size > FREE_BYTES and shrunk):
        raise Rejected(Reason.TOO_LARGE, f"{info.filename} unpacks to too much")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as member:
            # One byte more tells a member that is larger than it says.
            content = member.read(info.file_size + 1)
    except _UNREADABLE:
        raise Unreadable(info.filename) from None
    if len(content) != info.file_size:
        raise Unreadable(info.filename)
    return content
