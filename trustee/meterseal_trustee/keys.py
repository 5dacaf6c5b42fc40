"""A trustee's secrets: keys that open seeds, that sign, that cosign a log, and the chain's.

Files `box.pem` (X25519), `sign.pem` and `witness.pem` (Ed25519) and `chain.key` (a scalar
of secp256k1, 64 hex digits) in `data_dir/keys`, mode 0600, written whole and synced before
they have their name, never replaced. Without `box.pem` no seed can be opened again: back
it up apart from the database. This module must never log or
print a key's bytes.
"""

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from meterseal_proto import curve
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Unavailable
from meterseal_proto.seedbox import TrusteeKey

MAX_FILE_BYTES: Final = 4_096
"""A PEM file of these keys has some 120 bytes."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class TrusteeSecrets:
    """The private keys, and the first two's public halves under the trustee's number.

    `chain` signs totals for contracts, which know no Ed25519, and nothing else.

    A cosignature does not name what it is for, so `witness` signs nothing else (C2SP
    tlog-cosignature, Ed25519 signed message).
    """

    public: TrusteeKey
    box: X25519PrivateKey = field(repr=False)
    sign: Ed25519PrivateKey = field(repr=False)
    witness: Ed25519PrivateKey = field(repr=False)
    chain: bytes = field(repr=False)

    @property
    def chain_public(self) -> bytes:
        """The key that a chain's admin is told, 33 bytes."""
        return curve.backend().public_of(self.chain)


def make_keys(folder: Path) -> bool:
    """Make the keys that are not there yet; tells whether any was made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = [
            _make(folder / "box.pem", _pem(X25519PrivateKey.generate())),
            _make(folder / "sign.pem", _pem(Ed25519PrivateKey.generate())),
            _make(folder / "witness.pem", _pem(Ed25519PrivateKey.generate())),
            _make(folder / "chain.key", _scalar().hex().encode()),
        ]
    except OSError as error:
        raise Unavailable(f"cannot write {folder}: {error.strerror}") from error
    return any(made)


def open_keys(folder: Path, number: int) -> TrusteeSecrets:
    """Return the keys in `folder`; Unavailable when one is missing, damaged or not private."""
    try:
        box = load_pem_private_key(_read(folder / "box.pem"), None)
        sign = load_pem_private_key(_read(folder / "sign.pem"), None)
        witness = load_pem_private_key(_read(folder / "witness.pem"), None)
        chain = _parse_scalar(_read(folder / "chain.key"))
    except FileNotFoundError as error:
        raise Unavailable(
            f"{error.filename} is missing: run meterseal-trustee init, or restore it"
        ) from error
    except OSError as error:
        raise Unavailable(f"cannot read {error.filename}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise Unavailable(f"a key in {folder} cannot be used: {error}") from error
    if not (
        isinstance(box, X25519PrivateKey)
        and isinstance(sign, Ed25519PrivateKey)
        and isinstance(witness, Ed25519PrivateKey)
    ):
        raise Unavailable(f"the keys in {folder} are of another kind; restore them")
    public = TrusteeKey(
        number,
        box.public_key().public_bytes_raw(),
        sign.public_key().public_bytes_raw(),
    )
    return TrusteeSecrets(public, box, sign, witness, chain)


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _scalar() -> bytes:
    """Return a secret scalar of secp256k1: 1 to the group's order, less one."""
    return (secrets.randbelow(ORDER - 1) + 1).to_bytes(32)


def _parse_scalar(text: bytes) -> bytes:
    found = bytes.fromhex(text.decode("ascii"))
    if len(found) != 32 or not 0 < int.from_bytes(found) < ORDER:
        raise ValueError("chain.key is no scalar of secp256k1")
    return found


def _make(path: Path, content: bytes) -> bool:
    """Write a key under a name nobody has yet; of two makers at once the first counts."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of a process of this number that fell
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)  # link(2) never replaces a file
            _sync(path.parent)
            return True
        return False
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        if os.fstat(handle).st_mode & _OTHERS:
            raise ValueError(f"{path.name} is open to others: chmod 600 it")
        return file.read(MAX_FILE_BYTES)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
