"""The resident's PIN: eight digits at random, kept as a slow hash only.

Who reads this machine's files has the usage itself; the hash is slow so that a PIN noted
from a stolen card is not one that still opens a page. It must never be kept or logged in
the open, and is on paper only.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from meterseal_agent.keystore import KeystoreError, read_small, write_over

DIGITS: Final = 8
SALT_BYTES: Final = 16
_COST, _BLOCK, _PARALLEL = 1 << 13, 8, 10
"""scrypt N, r, p: OWASP's least for 8 MiB, which any Pi can spare for a moment."""
_VERSION: Final = "scrypt-8192-8-10"


def make_pin() -> str:
    """Return a new PIN: any eight digits, each as likely."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def grouped(pin: str) -> str:
    """Return a PIN as it is printed: two groups of four."""
    return f"{pin[:4]} {pin[4:]}"


def keep_pin(path: Path, pin: str) -> None:
    """Put the hash of a PIN in place of the one before, durably."""
    salt = secrets.token_bytes(SALT_BYTES)
    text = f"{_VERSION} {salt.hex()} {_hash(pin, salt).hex()}\n"
    write_over(path, text.encode())


def is_pin(path: Path, said: str) -> bool:
    """Tell whether `said` is the PIN, spaces aside; KeystoreError without a whole file.

    Takes 0.1 s to 1 s and 8 MiB, whatever was said.
    """
    try:
        version, salt, kept = (read_small(path) or b"").decode("ascii").split()
        found = bytes.fromhex(salt), bytes.fromhex(kept)
    except ValueError:
        version, found = "", (b"", b"")
    if version != _VERSION:
        raise KeystoreError(f"{path} holds no PIN: run meterseal-agent resident-pin")
    return hmac.compare_digest(_hash("".join(said.split()), found[0]), found[1])


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        pin.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32
    )
