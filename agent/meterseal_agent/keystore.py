"""The keystore: the agent's one secret, its TLS identity, and what enrolment gave it.

Everything lives in one directory with mode 0700, every secret in a file with mode
0600, written once and made durable before its name is used. A secret must never be
logged, shown by a repr, or written over: losing it is losing the meters' chains.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.keys import (
    SECRET_BYTES,
    Algorithm,
    PublicKey,
    RootSecret,
    SealKey,
)

SECRET_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
MAX_FILE_BYTES: Final = 1 << 20
"""An enrolment answer of 247 meters takes 40 KiB; a megabyte is somebody's mistake."""
MAX_EPOCH: Final = 999
"""Key epochs of one root secret: one a replacement, and no Pi is replaced that often."""
NOT_ENROLLED: Final = "not enrolled yet: run meterseal-agent enrol --code CODE"
CSR_NAME: Final = "meterseal-agent"
"""The certificate's name is the aggregator's to give; the request's is only polite."""


class KeystoreError(Exception):
    """The keystore is missing, open to others, or damaged; the text says what to do."""


@dataclass(frozen=True, slots=True)
class KeyEpoch:
    """Which of the root secret's seal keys is in use: a replacement moves to the next."""

    algorithm: Algorithm = Algorithm.SECP256K1
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> "KeyEpoch":
        """Read `algorithm number`, e.g. `secp256k1 0`; ValueError for anything else."""
        algorithm, _, number = text.strip().partition(" ")
        if not number.isdecimal() or int(number) > MAX_EPOCH:
            raise ValueError(f"a key epoch is 0 to {MAX_EPOCH}")
        return cls(Algorithm(algorithm), int(number))

    def __str__(self) -> str:
        return f"{self.algorithm} {self.number}"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where each thing lies in the data directory."""

    folder: Path

    @property
    def secret(self) -> Path:
        """The root secret, 64 hex digits; what a recovery sheet restores."""
        return self.folder / "root.secret"

    @property
    def sheet_shown(self) -> Path:
        """Empty; its presence means that the member has the recovery sheet."""
        return self.folder / "sheet.shown"

    @property
    def epoch(self) -> Path:
        """The key epoch."""
        return self.folder / "key.epoch"

    @property
    def tls_key(self) -> Path:
        """The client's TLS key, PEM."""
        return self.folder / "client.key"

    @property
    def csr(self) -> Path:
        """The certificate request, PEM: made once, so that enrolment can be repeated."""
        return self.folder / "client.csr"

    @property
    def certificate(self) -> Path:
        """The client's certificate, PEM."""
        return self.folder / "client.crt"

    @property
    def ca(self) -> Path:
        """The certificate authority that the broker is checked against, PEM."""
        return self.folder / "ca.crt"

    @property
    def request(self) -> Path:
        """The enrolment request as it is sent, kept so that a repeat says the same."""
        return self.folder / "enrolment.request.json"

    @property
    def private(self) -> Path:
        """What committed registers showed at enrolment, JSON: told to nobody."""
        return self.folder / "private.json"

    @property
    def answer(self) -> Path:
        """The enrolment's answer, JSON: its presence means enrolled."""
        return self.folder / "enrolment.json"

    @property
    def resident_pin(self) -> Path:
        """The slow hash of the PIN of the resident's page."""
        return self.folder / "resident.pin"

    @property
    def resident_tries(self) -> Path:
        """The tries at that PIN that still count, JSON."""
        return self.folder / "resident.tries.json"

    @property
    def resident_key(self) -> Path:
        """The page's own TLS key, PEM."""
        return self.folder / "resident.key"

    @property
    def resident_certificate(self) -> Path:
        """The page's own certificate, PEM; its fingerprint is on paper."""
        return self.folder / "resident.crt"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the agent signs and hides with."""

    root: RootSecret = field(repr=False)
    epoch: KeyEpoch

    @property
    def seal_key(self) -> SealKey:
        """The seal key of this epoch."""
        return self.root.seal_key(self.epoch.algorithm, self.epoch.number)

    @property
    def publics(self) -> list[PublicKey]:
        """The public halves of all keys of the root secret up to this epoch, newest first."""
        return [
            self.root.seal_key(algorithm, number).public
            for number in range(self.epoch.number, -1, -1)
            for algorithm in Algorithm
        ]


class Keystore:
    """One data directory's keys, and what enrolment gave it.

    store = Keystore(Path("/var/lib/meterseal-agent"))
    store.make(KeyEpoch())          # once, at enrolment
    keys = store.keys()             # every start: checks modes first
    answer = store.answer()         # None before enrolment
    """

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder)

    def make(self, epoch: KeyEpoch, secret: bytes | None = None) -> None:
        """Make what is missing of secret, epoch, TLS key and CSR; keep what is there.

        `secret` restores a root secret from a recovery sheet: KeystoreError when the
        directory already holds another one.
        """
        paths = self.paths
        paths.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if secret is not None and paths.secret.exists():
            if self.keys_secret().value != secret:
                raise KeystoreError(
                    f"{paths.secret} holds another root secret; use an empty data_dir"
                )
        elif not paths.secret.exists():
            fresh = secret if secret is not None else os.urandom(SECRET_BYTES)
            write_once(paths.secret, RootSecret(fresh).value.hex().encode() + b"\n")
        if not paths.epoch.exists():
            write_once(paths.epoch, f"{epoch}\n".encode())
        if not paths.tls_key.exists():
            write_once(paths.tls_key, _new_tls_key())
        if not paths.csr.exists():
            write_once(paths.csr, _request(paths.tls_key.read_bytes()))

    def next_epoch(self) -> KeyEpoch:
        """Go on to the root secret's next key, before enrolment; KeystoreError at the last."""
        epoch = self.keys().epoch
        if epoch.number >= MAX_EPOCH:
            raise KeystoreError(
                "this root secret has no key left; enrol without --secret-file"
            )
        after = KeyEpoch(epoch.algorithm, epoch.number + 1)
        write_over(self.paths.epoch, f"{after}\n".encode())
        return after

    def keys(self) -> Keys:
        """Return the keys; KeystoreError unless every secret file is 0600 and whole."""
        root = self.keys_secret()
        self.check_secret_file(self.paths.tls_key)
        try:
            epoch = KeyEpoch.parse(self.paths.epoch.read_text("ascii"))
        except (OSError, ValueError) as error:
            raise KeystoreError(
                f"{self.paths.epoch} is not readable as a key epoch: {error}"
            ) from error
        return Keys(root, epoch)

    def keys_secret(self) -> RootSecret:
        """Return the root secret, once its file was found to be ours alone."""
        path = self.paths.secret
        self.check_secret_file(path)
        try:
            return RootSecret(bytes.fromhex(path.read_text("ascii").strip()))
        except ValueError:
            # `from None`: the cause's text could quote the secret.
            raise KeystoreError(
                f"{path} is damaged: it must hold {2 * SECRET_BYTES} hex digits; "
                "restore it from the recovery sheet"
            ) from None

    def check_secret_file(self, path: Path) -> None:
        """Raise KeystoreError unless `path` is a plain file of ours with mode 0600."""
        try:
            status = path.lstat()
        except FileNotFoundError:
            raise KeystoreError(
                f"{path} is missing: run meterseal-agent enrol first"
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise KeystoreError(f"{path} is not a plain file")
        if status.st_uid != os.geteuid():
            raise KeystoreError(
                f"{path} belongs to user {status.st_uid}; run as that user, or chown it"
            )
        if stat.S_IMODE(status.st_mode) != SECRET_MODE:
            raise KeystoreError(
                f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others may have "
                f"read it; if not, run chmod 600 {path}, else replace this agent's keys"
            )

    def csr_pem(self) -> str:
        """Return the certificate request, the same at every call."""
        return self.paths.csr.read_text("ascii")

    def answer(self) -> EnrolmentAnswer | None:
        """Return what enrolment answered, None before; KeystoreError when damaged."""
        text = read_small(self.paths.answer)
        if text is None:
            return None
        try:
            return EnrolmentAnswer.from_json(text)
        except (KeyError, TypeError, ValueError) as error:
            raise KeystoreError(f"{self.paths.answer} is damaged: {error}") from error

    def enrolled(self) -> EnrolmentAnswer:
        """Return the aggregator's answer; KeystoreError when there is none yet."""
        answer = self.answer()
        if answer is None:
            raise KeystoreError(NOT_ENROLLED)
        return answer

    def keep_answer(self, answer: EnrolmentAnswer, raw: bytes) -> None:
        """Store the certificates, then the answer: whoever sees the answer has them."""
        write_over(self.paths.certificate, answer.certificate_pem.encode())
        write_over(self.paths.ca, answer.ca_pem.encode())
        write_over(self.paths.answer, raw)


def write_once(path: Path, content: bytes) -> None:
    """Write a secret that must not exist yet: durable under its name, or not there.

    The name is made by link(2) from a finished file, so a power cut leaves no half
    secret behind, and two makers cannot both win (FileExistsError).
    """
    with _finished(path, content) as draft:
        os.link(draft, path)
    _sync_folder(path.parent)


def write_over(path: Path, content: bytes) -> None:
    """Replace a file as a whole: after a power cut it is the old or the new one."""
    with _finished(path, content) as draft:
        draft.replace(path)
    _sync_folder(path.parent)


def read_small(path: Path) -> bytes | None:
    """Return a file's content, None when there is none; KeystoreError above a megabyte."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_FILE_BYTES:
        raise KeystoreError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return content


@contextmanager
def _finished(path: Path, content: bytes) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_tls_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _request(key_pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeystoreError("the client's TLS key is no elliptic-curve key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CSR_NAME)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)
