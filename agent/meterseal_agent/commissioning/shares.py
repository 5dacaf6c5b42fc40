"""Shares on paper: the root secret split two of three, three sheets for three people.

Each line of a sheet ends in a check that binds it to its sheet, its set and its device:
a mistyped line is named, and so is a sheet of another set or device. It leaves by a
terminal or by files asked for by name, as the recovery sheet does, and this module must
never write over a file, nor quote a digit in a message.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.commissioning.split import (
    NEEDED,
    SHARE_BYTES,
    combine,
    split,
)
from meterseal_agent.keystore import (
    FOLDER_MODE,
    SECRET_MODE,
    Keystore,
    KeystoreError,
    read_small,
)
from meterseal_proto.enrolment import EnrolmentAnswer

SET_BYTES: Final = 4
LINE_DIGITS: Final = 12
GROUP: Final = 4
CHECK_DIGITS: Final = 4
"""A slip of the pen in a line goes unseen once in 65,536 times; the whole has four bytes
of its own."""
LINES: Final = 2 * SHARE_BYTES // LINE_DIGITS

_TITLE: Final = re.compile(
    r"^SHARE ([1-3]) of 3 of agent (\S+) in network (.+), set ([0-9a-fA-F]{8})$",
    re.MULTILINE,
)
_ROW: Final = re.compile(r"^\s*(\d)\s*:\s*([0-9a-zA-Z \t]*?)\s*-\s*([0-9a-zA-Z]+)\s*$")


@dataclass(frozen=True, slots=True)
class Share:
    """One sheet: whose secret, which of which set; `digits` are its 36 bytes."""

    agent: str
    network: str
    set_id: str
    number: int
    raw: bytes

    def __repr__(self) -> str:
        return f"Share({self.agent!r}, {self.set_id!r}, {self.number})"

    @property
    def whose(self) -> tuple[str, str, str]:
        """What shares that belong together have in common."""
        return self.agent, self.network, self.set_id

    def text(self) -> str:
        """Return the sheet."""
        digits = self.raw.hex()
        rows = []
        for n in range(LINES):
            line = digits[n * LINE_DIGITS : (n + 1) * LINE_DIGITS]
            grouped = " ".join(
                line[at : at + GROUP] for at in range(0, LINE_DIGITS, GROUP)
            )
            rows.append(f"    {n + 1}: {grouped} - {self.check_of(n + 1, line)}")
        body = "\n".join(rows)
        return f"""\
SHARE {self.number} of 3 of agent {self.agent} in network {self.network}, set {self.set_id}

{body}

Any two of the three shares of this set give the device's secret back; one alone tells
nothing. Give each to somebody else, who keeps it offline. Should the device die, put two
of them into files and give on the new one:

    meterseal-agent replace --code CODE --share FILE --share FILE
"""

    def check_of(self, line: int, digits: str) -> str:
        """Return the check of a line's digits: of this sheet, and of no other."""
        parts = (*self.whose, str(self.number), str(line), digits)
        framed = b"".join(len(p.encode()).to_bytes(2) + p.encode() for p in parts)
        return hashlib.sha256(b"meterseal/share/v1\x00" + framed).hexdigest()[
            :CHECK_DIGITS
        ]


def make_shares(secret: bytes, agent: str, network: str) -> list[Share]:
    """Return a new set of shares of a root secret; no two sets are alike."""
    set_id = secrets.token_hex(SET_BYTES)
    found = split(secret, secrets.token_bytes(SHARE_BYTES))
    return [Share(agent, network, set_id, x, raw) for x, raw in found.items()]


def parse_share(text: str) -> Share:
    """Read a sheet; ValueError names what is wrong, the line where it is one."""
    title = _TITLE.search(text)
    if title is None:
        raise ValueError(
            "it must begin like: SHARE 1 of 3 of agent A in network N, set 0123abcd"
        )
    number, agent, network, set_id = title.groups()
    share = Share(agent, network, set_id.lower(), int(number), b"")
    rows = [found for line in text.splitlines() if (found := _ROW.match(line))]
    lines = [int(row[1]) for row in rows]
    if lines != list(range(1, LINES + 1)):
        raise ValueError(f"it must hold the share's lines 1 to {LINES}, each once")
    digits = [re.sub(r"\s", "", row[2]).lower() for row in rows]
    _check_lines(share, rows, digits)
    raw = bytes.fromhex("".join(digits))
    return Share(agent, network, share.set_id, share.number, raw)


def combine_shares(shares: Mapping[str, Share]) -> bytes:
    """Return the root secret of shares, each under the name it is told by.

    ValueError says which are of another device or set, and when two are the same one.
    """
    names = list(shares)
    if len(names) < NEEDED:
        raise ValueError("two shares are needed")
    first = shares[names[0]]
    for name in names[1:]:
        other = shares[name]
        if (other.agent, other.network) != (first.agent, first.network):
            raise ValueError(
                f"{names[0]} is of agent {first.agent} in {first.network}, {name} of"
                f" agent {other.agent} in {other.network}: two of one device are needed"
            )
        if other.set_id != first.set_id:
            raise ValueError(
                f"{names[0]} is of set {first.set_id}, {name} of set {other.set_id}:"
                " only shares of one set go together"
            )
    by_number: dict[int, str] = {}
    for name in names:
        known = by_number.setdefault(shares[name].number, name)
        if known != name:
            raise ValueError(
                f"{known} and {name} are both share {shares[name].number}: two different"
                " ones are needed"
            )
    try:
        return combine({shares[name].number: shares[name].raw for name in names})
    except ValueError as error:
        raise ValueError(f"{' and '.join(names)}: {error}") from None


def read_shares(paths: Sequence[Path]) -> tuple[bytes, str]:
    """Return the root secret of share files, and whose it is; KeystoreError names a file."""
    found: dict[str, Share] = {}
    for path in paths:
        text = read_small(path)
        if text is None:
            raise KeystoreError(f"{path} is not there")
        try:
            found[str(path)] = parse_share(text.decode("utf-8"))
        except UnicodeDecodeError:
            raise KeystoreError(f"{path} is no share") from None
        except ValueError as error:
            raise KeystoreError(f"{path}: {error}") from None
    try:
        return combine_shares(found), next(iter(found.values())).agent
    except ValueError as error:
        raise KeystoreError(str(error)) from None


def write_shares(
    store: Keystore, answer: EnrolmentAnswer, folder: Path
) -> tuple[str, list[Path]]:
    """Write a new set into a new folder, a file each; returns its id and the files.

    KeystoreError where the folder is there already or cannot be written.
    """
    secret = store.keys_secret().value
    made = make_shares(secret, answer.agent, answer.network_name)
    try:
        folder.mkdir(mode=FOLDER_MODE)
        paths = [_write(folder / f"share-{one.number}.txt", one.text()) for one in made]
    except FileExistsError:
        raise KeystoreError(f"{folder} is there already; name a new folder") from None
    except OSError as error:
        raise KeystoreError(
            f"the shares cannot be written to {folder}: {error.strerror}; give the same"
            " command with another folder"
        ) from error
    return made[0].set_id, paths


def _write(path: Path, text: str) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def _check_lines(
    share: Share, rows: Sequence["re.Match[str]"], digits: Sequence[str]
) -> None:
    """Raise ValueError naming the lines whose check does not fit."""
    good = re.compile(rf"[0-9a-f]{{{LINE_DIGITS}}}")
    wrong = [
        str(n)
        for n, (row, line) in enumerate(zip(rows, digits, strict=True), 1)
        if not good.fullmatch(line) or row[3].lower() != share.check_of(n, line)
    ]
    if len(wrong) == LINES:
        raise ValueError("no line's check fits: is the first line as on the sheet?")
    if wrong:
        lines = (
            f"line {wrong[0]} is"
            if len(wrong) == 1
            else f"lines {', '.join(wrong)} are"
        )
        raise ValueError(
            f"{lines} not as on share {share.number} of agent {share.agent}, set"
            f" {share.set_id}: the check does not fit"
        )
