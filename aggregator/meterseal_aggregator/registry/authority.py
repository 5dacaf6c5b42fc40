"""The device CA: signs the client certificates of agents, made once, in X.509.

A certificate says who an agent is to the MQTT endpoint, nothing more: seals are judged
by the registry's keys. The name and the validity come from us, never from the request.
This module must never take a serial number, an extension or a name from a CSR. Times
are real Unix seconds: TLS peers compare them with their own clocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meterseal_aggregator.registry.model import Refused, Trouble

AGENT_VALID_DAYS: Final = 1_826
"""Five years: a meter's Pi is visited about that often; revocation is by registry."""
CA_VALID_DAYS: Final = 7_305
"""Twenty years: longer than a meter lives; a new CA means a visit to every agent."""
BACKDATED: Final = timedelta(hours=1)
"""A fresh Pi's clock may be behind ours."""
MAX_CSR_BYTES: Final = 8_192
"""A CSR with an elliptic key takes 500 bytes; sixteen times that is no CSR of ours."""


@dataclass(frozen=True, slots=True)
class DeviceAuthority:
    """The CA's key and certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def make(cls, network: str, *, real_now: int) -> Self:
        """Make a new CA for a network's agents."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Meterseal {network} device CA")
        signer = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _certificate(name, key.public_key(), real_now, CA_VALID_DAYS)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(signer, critical=False)
            .sign(key, SHA256())
        )
        return cls(key, certificate)

    @property
    def pem(self) -> str:
        """The CA certificate that agents and the endpoint trust."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def sign(self, csr_pem: str, agent: str, *, real_now: int) -> str:
        """Return the client certificate, PEM, for the key in `csr_pem` under the name `agent`.

        Raises Refused (BAD_CSR) for anything but a self-signed P-256, P-384 or Ed25519
        request.
        """
        public = _open(csr_pem).public_key()
        certificate = self._leaf(agent, public, real_now, server=False)
        return certificate.sign(self.key, SHA256()).public_bytes(Encoding.PEM).decode()

    def issue(self, name: str, *, server: bool, real_now: int) -> bytes:
        """Make a key and its certificate, one PEM: for our endpoint, a broker, or ourselves.

        A server's `name` is the DNS name or address agents are told. Raises Refused.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(name, key.public_key(), real_now, server=server)
        if server:
            builder = builder.add_extension(_alternative(name), critical=False)
        certificate = builder.sign(self.key, SHA256())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return secret + certificate.public_bytes(Encoding.PEM)

    def revocation_list(self, serials: Iterable[int], number: int) -> bytes:
        """Return list `number` (RFC 5280 5), PEM, of our certificates that are no good.

        It is for our own endpoint, which makes the next one when something changes.
        OpenSSL takes the list with the latest second: so each has its own, all of them
        from the CA's beginning to its end, and no clock set back shuts everybody out.
        """
        begin = self.certificate.not_valid_before_utc + timedelta(seconds=number)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(begin)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            entry = entry.revocation_date(begin)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def _leaf(
        self,
        name: str,
        public: CertificatePublicKeyTypes,
        real_now: int,
        *,
        server: bool,
    ) -> x509.CertificateBuilder:
        usage = ExtendedKeyUsageOID
        purpose = usage.SERVER_AUTH if server else usage.CLIENT_AUTH
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self.key.public_key()
        )
        return (
            _certificate(_name(name), public, real_now, AGENT_VALID_DAYS)
            .issuer_name(self.certificate.subject)
            .add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )


def same_key(csr_pem: str, certificate_pem: str) -> bool:
    """Tell whether a request is for the key a certificate of ours is for; raises Refused."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    return _open(csr_pem).public_key() == certificate.public_key()


def _open(csr_pem: str) -> x509.CertificateSigningRequest:
    csr = _parse(csr_pem) if len(csr_pem) <= MAX_CSR_BYTES else None
    if csr is None:
        raise Refused(
            Trouble.BAD_CSR,
            "send a PEM certificate request signed by its own P-256, P-384 or Ed25519 key",
        )
    return csr


def _parse(csr_pem: str) -> x509.CertificateSigningRequest | None:
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode("ascii"))
        key = csr.public_key()
        known = isinstance(key, ed25519.Ed25519PublicKey) or (
            isinstance(key, ec.EllipticCurvePublicKey)
            and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
        )
        right = known and csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return None
    return csr if right else None


def _certificate(
    name: x509.Name, key: CertificatePublicKeyTypes, real_now: int, days: int
) -> x509.CertificateBuilder:
    begin = datetime.fromtimestamp(real_now, UTC) - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _alternative(name: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
    except ValueError:
        pass
    try:
        return x509.SubjectAlternativeName([x509.DNSName(name)])
    except ValueError:
        raise Refused(
            Trouble.BAD_REQUEST, f"{name!r} is no DNS name in ASCII and no address"
        ) from None


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    """Say what a key may do (RFC 5280 4.2.1.3): a CA signs certificates, a client signs."""
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
