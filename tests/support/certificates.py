"""A small certificate authority for tests: a CA, a server, and agents by name."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID: Final = datetime.timedelta(days=1)


class Authority:
    """Writes PEM files into `directory`: ca.pem, and NAME.pem with NAME.key."""

    def __init__(self, directory: Path, name: str = "test CA") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._name = _subject(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _begin(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signing=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def server(self) -> ssl.SSLContext:
        """Return a context for 127.0.0.1 that demands certificates of this CA."""
        self.issue("server", "server", server=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._path("server.pem"), self._path("server.key"))
        context.load_verify_locations(self._path("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str, *common_names: str) -> ssl.SSLContext:
        """Return a context with a certificate for `name`, or for the names given."""
        self.issue(name, *(common_names or (name,)))
        context = self.stranger()
        context.load_cert_chain(self._path(f"{name}.pem"), self._path(f"{name}.key"))
        return context

    def stranger(self) -> ssl.SSLContext:
        """Return a context that trusts this CA and has no certificate."""
        return ssl.create_default_context(cafile=self._path("ca.pem"))

    def issue(self, name: str, *common_names: str, server: bool = False) -> None:
        """Write a certificate with these common names, for a server or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(*common_names)
        usage = ExtendedKeyUsageOID
        purpose = usage.SERVER_AUTH if server else usage.CLIENT_AUTH
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._key.public_key()
        )
        certificate = (
            _begin(subject, self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._write(f"{name}.key", private)

    def _path(self, name: str) -> str:
        return str(self.directory / name)

    def _write(self, name: str, content: bytes) -> None:
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def _subject(*common_names: str) -> x509.Name:
    oid = NameOID.COMMON_NAME
    return x509.Name([x509.NameAttribute(oid, name) for name in common_names])


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID)
        .not_valid_after(now + VALID)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public), critical=False
        )
    )


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )
