"""The network's own secrets and its genesis document: made once, kept in `data_dir/keys`.

Three keys apart: the log's (checkpoints), the receipts', the device CA's. A file is
written whole and synced before it has its name, mode 0600. Keys and genesis get their
name by link(2), which never replaces a file: of two founders at once the second takes
what the first made. Only what can be made again is replaced (`keep`): the CA's public
certificate, the endpoint's, the list of revoked ones. This module must never log, print
or hand on a key's bytes, nor found a network twice.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from meterseal_aggregator.config import Config
from meterseal_aggregator.registry.authority import DeviceAuthority
from meterseal_aggregator.translog.sequencer import LogKey
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Unavailable
from meterseal_proto.keys import derive

MAX_FILE_BYTES: Final = 16_384
"""A PEM file of ours has less than 2 KiB."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class NetworkKeys:
    """The keys and the genesis document of one network."""

    genesis: Genesis
    log: LogKey
    receipt: Ed25519PrivateKey = field(repr=False)
    authority: DeviceAuthority
    ca_file: Path
    """The device CA's certificate, for the endpoint's TLS."""

    @property
    def broker_share(self) -> str:
        """The name under which this network's aggregators read from a broker, a secret.

        Derived from the receipt key, so all workers with these keys have the same and a
        restart keeps it: 64 hex digits, fit for a topic.
        """
        secret = self.receipt.private_bytes_raw()
        return derive(secret, "broker-share", self.genesis.network).hex()


def open_keys(config: Config, *, real_now: int) -> NetworkKeys:
    """Return the network's keys, making what is not there yet.

    Raises Unavailable when a file cannot be read or written, is open to others, or when
    the configuration names another network than the genesis document.
    """
    folder = config.data_dir / "keys"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = LogKey(config.origin, _ed25519(folder / "log.pem"))
        receipt = _ed25519(folder / "receipt.pem")
        authority = _authority(folder, config.network, real_now)
        genesis = _genesis(folder / "genesis.json", config, log.vkey)
    except OSError as error:
        raise Unavailable(
            f"cannot use {error.filename or folder}: {error.strerror}"
        ) from error
    except (ValueError, TypeError) as error:
        raise Unavailable(
            f"a file in {folder} is damaged: {error}; restore it from the backup"
        ) from error
    return NetworkKeys(genesis, log, receipt, authority, folder / "device-ca.pem")


def _genesis(path: Path, config: Config, vkey: str) -> Genesis:
    wished = Genesis(config.chain_id, config.registry, vkey)
    fields = {
        "chain_id": wished.chain_id,
        "registry": wished.registry,
        "log_key": wished.log_key,
        "network": config.network,
        "id": wished.network.hex(),
    }
    text = json.dumps(fields, indent=1).encode()
    kept = json.loads(_kept_or_made(path, lambda: text))
    for name, value in fields.items():
        if kept.get(name) != value:
            raise Unavailable(
                f"this network was founded with {name} {kept.get(name)!r}, the"
                f" configuration makes it {value!r}: a network's genesis never changes"
            )
    return wished


def _ed25519(path: Path) -> Ed25519PrivateKey:
    pem = _kept_or_made(path, lambda: _pem(Ed25519PrivateKey.generate()))
    key = load_pem_private_key(pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds no Ed25519 key")
    return key


def _authority(folder: Path, network: str, real_now: int) -> DeviceAuthority:
    """Return the device CA; key and certificate share a file, so they cannot part."""
    path = folder / "device-ca-key.pem"

    def make() -> bytes:
        made = DeviceAuthority.make(network, real_now=real_now)
        return _pem(made.key) + made.pem.encode()

    pem = _kept_or_made(path, make)
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic key")
    authority = DeviceAuthority(key, x509.load_pem_x509_certificate(pem))
    public = folder / "device-ca.pem"
    if _kept(public) != authority.pem.encode():
        keep(public, authority.pem.encode())
    return authority


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _kept(path: Path) -> bytes | None:
    """Return a file of ours, None when it is missing; ValueError when others may read it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        if os.fstat(handle).st_mode & _OTHERS:
            raise ValueError(f"{path} is open to others: chmod 600 it")
        return file.read(MAX_FILE_BYTES)


def _kept_or_made(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the file's content, made now if nobody has; the first to make it counts."""
    while True:
        kept = _kept(path)
        if kept is not None:
            return kept
        with suppress(FileExistsError):
            keep_new(path, make())


def keep_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet: whole and durably, or not at all.

    Raises FileExistsError.
    """
    with _finished(path, content) as draft:
        os.link(draft, path)
    _sync(path.parent)


def keep(path: Path, content: bytes) -> None:
    """Replace a file as a whole: after a power cut it is the old or the new one."""
    with _finished(path, content) as draft:
        draft.replace(path)
    _sync(path.parent)


@contextmanager
def _finished(path: Path, content: bytes) -> Iterator[Path]:
    """Give a synced file beside `path` that nobody else writes; gone afterwards."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of a process of this number that fell
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
