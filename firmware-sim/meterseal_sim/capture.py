"""Captured telegrams from a file: raw bytes, hexadecimal text, or JSON of either.

A capture is cut where its format begins a telegram and is otherwise left as it is,
mistakes included: that is what makes it worth replaying. Must never repair a byte.
"""

import json
import re
from pathlib import Path

from meterseal_sim.refusal import Refused

MAX_BYTES = 64 * 2**20
"""A month of telegrams; more would be a wrong file."""
HEX = re.compile(rb"[0-9A-Fa-f\s]+")
LONG_START = 0x68
ACK_STARTS = re.compile(rb"/\?[^\r\n]*!\r?\n")
"""What the reader asked, which captures of IEC 62056-21 often hold too."""
CUTS = {
    "dsmr": re.compile(rb"/.*?!(?:[0-9A-Fa-f]{4})?\s*(?=/|\Z)", re.DOTALL),
    "d0": re.compile(rb"/.*?!(?:\s*\x03.)?\s*(?=/|\Z)", re.DOTALL),
    "sml": re.compile(
        rb"\x1b{4}\x01{4}.*?(?=\x1b{4}\x01{4}|\Z)",
        re.DOTALL,
    ),
    "han": re.compile(rb"\x7e[^\x7e]+\x7e", re.DOTALL),
}


def telegrams(path: Path, protocol: str, entry: str | None = None) -> list[bytes]:
    """Return the file's telegrams in order, at least one; raises Refused.

    `entry` names one of a JSON file's texts; without it all of them are taken.
    """
    parts = [_plain(raw) for raw in _contents(path, entry)]
    found = [telegram for part in parts for telegram in _cut(part, protocol)]
    if not found:
        raise Refused(f"{path} holds no {protocol} telegram")
    return found


def _contents(path: Path, entry: str | None) -> list[bytes]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refused(f"{path} is larger than {MAX_BYTES >> 20} MiB")
        raw = path.read_bytes()
    except OSError as trouble:
        raise Refused(f"{path} cannot be read: {trouble.strerror}") from None
    if path.suffix != ".json":
        return [raw]
    try:
        rows = json.loads(raw)
        texts = {str(name): str(text).encode("latin-1") for name, text in rows.items()}
    except (ValueError, AttributeError):
        raise Refused(f"{path} is not JSON of names and telegrams") from None
    if entry is None:
        return list(texts.values())
    if entry not in texts:
        raise Refused(f"{path} has no {entry!r}: it has {', '.join(texts)}")
    return [texts[entry]]


def _plain(raw: bytes) -> bytes:
    """Return the bytes that hexadecimal text stands for, or the bytes as they are."""
    digits = b"".join(raw.split())
    if HEX.fullmatch(raw) and digits and len(digits) % 2 == 0:
        return bytes.fromhex(digits.decode())
    return raw


def _cut(raw: bytes, protocol: str) -> list[bytes]:
    if protocol == "mbus":
        return _long_frames(raw)
    if protocol.startswith("d0"):
        raw, protocol = ACK_STARTS.sub(b"", raw), "d0"
    found: list[bytes] = CUTS[protocol].findall(raw)
    # A capture of another shape is one telegram: the reader shall judge it.
    return found or ([raw] if raw else [])


def _long_frames(raw: bytes) -> list[bytes]:
    """Return the long frames (68 L L 68 ... 16) that lie one behind the other."""
    found = []
    while raw:
        whole = len(raw) > 1 and raw[0] == LONG_START and raw[1] + 6 <= len(raw)
        end = raw[1] + 6 if whole else len(raw)
        found.append(raw[:end])
        raw = raw[end:]
    return found
