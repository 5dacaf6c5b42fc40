"""The recovery sheet: the root secret on paper, handed to the member once.

It goes to a terminal, where a person sees it, or to a file that was asked for by name.
It must never go where output is kept by others: a pipe, a log, a journal.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.commissioning.shares import write_shares
from meterseal_agent.keystore import SECRET_MODE, Keystore, KeystoreError, write_over
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.keys import SECRET_BYTES

DIGITS: Final = 2 * SECRET_BYTES
LINE: Final = 16
GROUP: Final = 4
CHECK_DIGITS: Final = 4
"""A slip of the pen goes unseen once in 65,536 times."""
_CHECK: Final = re.compile(r"^\s*check\s+([0-9a-fA-F]+)\s*$", re.MULTILINE)
_HEX: Final = re.compile(r"[0-9a-fA-F \t]+")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Handover:
    """How the secret may leave: into a new `file`, or by `say` when that is a `terminal`.

    With `shares`, a new folder, it leaves split in three instead, and not as a sheet.
    """

    file: Path | None
    terminal: bool
    shares: Path | None = None


def sheet_text(secret: bytes, answer: EnrolmentAnswer) -> str:
    """Return the sheet of a root secret of 32 bytes."""
    digits = secret.hex()
    groups = [digits[n : n + GROUP] for n in range(0, DIGITS, GROUP)]
    per_line = LINE // GROUP
    lines = [
        " ".join(groups[n : n + per_line]) for n in range(0, len(groups), per_line)
    ]
    rows = "\n".join(f"    {line}" for line in [*lines, f"check {_check(secret)}"])
    return f"""\
RECOVERY SHEET of agent {answer.agent} in network {answer.network_name}

{rows}

Write it down or print it now and keep it offline, away from this machine: it is never
shown again. Whoever has it can sign in your meters' name. Should this machine die, put
these digits into a file and give on the new one:

    meterseal-agent replace --code CODE --secret-file FILE
"""


def parse_sheet(text: str) -> bytes:
    """Return the root secret from a sheet, or from its 64 digits alone.

    ValueError says what is wrong without quoting a digit.
    """
    lines = [line for line in text.splitlines() if _HEX.fullmatch(line)]
    digits = re.sub(r"\s", "", "".join(lines))
    if len(digits) != DIGITS:
        raise ValueError(f"it must hold the sheet's {DIGITS} hex digits")
    secret = bytes.fromhex(digits)
    check = _CHECK.search(text)
    if check and check[1].lower() != _check(secret):
        raise ValueError("a digit is not as on the sheet: its check does not fit")
    return secret


def check_free(handover: Handover) -> None:
    """Raise KeystoreError when the sheet's file is there already: it is never written over."""
    if handover.file is not None and handover.file.exists():
        raise KeystoreError(f"{handover.file} is there already; name a new file")
    if handover.shares is not None and handover.shares.exists():
        raise KeystoreError(f"{handover.shares} is there already; name a new folder")


def hand_over(
    store: Keystore, answer: EnrolmentAnswer, handover: Handover, say: Say
) -> None:
    """Show or write the sheet unless that was done before; else say how to get it."""
    if store.paths.sheet_shown.exists():
        say("the recovery sheet was given out before and is not shown again")
        return
    if handover.shares is not None:
        split_up(store, answer, handover.shares, say)
        return
    text = sheet_text(store.keys_secret().value, answer)
    if handover.file is not None:
        _write(handover.file, text)
        say(
            f"the recovery sheet is in {handover.file}: take it offline, then delete it"
        )
    elif handover.terminal:
        say(text)
    else:
        say(
            "the recovery sheet was not shown, because this is no terminal: give the"
            " same command at one, or with --sheet FILE, to get it once"
        )
        return
    forget(store)


def split_up(store: Keystore, answer: EnrolmentAnswer, folder: Path, say: Say) -> None:
    """Write the secret as three shares into a new folder, and say what to do with them."""
    set_id, paths = write_shares(store, answer, folder)
    forget(store)
    say(
        f"the secret is split in three, set {set_id}: {', '.join(map(str, paths))}; give"
        " each to somebody else and delete it here. Any two bring the device back"
    )


def forget(store: Keystore) -> None:
    """Note that the member has the sheet, so that it is not shown again."""
    write_over(store.paths.sheet_shown, b"")


def _write(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise
    except OSError as error:
        raise KeystoreError(
            f"enrolled, but the recovery sheet cannot be written to {path}:"
            f" {error.strerror}; give the same command with another --sheet FILE"
        ) from error


def _check(secret: bytes) -> str:
    return hashlib.sha256(b"meterseal/sheet/v1\x00" + secret).hexdigest()[:CHECK_DIGITS]
