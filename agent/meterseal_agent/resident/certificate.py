"""The page's own certificate: signed by itself, told apart by its fingerprint on paper.

No public authority certifies an address of a home. So a browser asks once whether to trust
this one, and the paper says what to compare; after that it keeps to it. It must never be
the certificate the agent talks to its aggregator with.
"""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meterseal_agent.keystore import Paths, read_small, write_over
from meterseal_agent.resident.address import Address

LIFE: Final = timedelta(days=820)
"""Phones refuse a server certificate for more than 825 days (Apple HT210176)."""
RENEW: Final = timedelta(days=30)
"""Before its end, at a start of the agent."""
_SLACK: Final = timedelta(days=1)
"""Phones' clocks are not ours."""


def ensure(paths: Paths, address: Address, now: float) -> x509.Certificate:
    """Return the page's certificate; made anew where there is none that serves.

    `now` in UTC Unix seconds. The key is made once; the fingerprint is of the certificate.
    """
    at = datetime.fromtimestamp(now, UTC)
    found, key = _kept(paths), _key(paths)
    names = _names(address)
    own = found is not None and found.public_key() == key.public_key()
    if found is not None and own and _serves(found, names, at):
        return found
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Meterseal")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _SLACK)
        .not_valid_after(at + LIFE - _SLACK)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .sign(key, SHA256())
    )
    write_over(paths.resident_certificate, made.public_bytes(Encoding.PEM))
    return made


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint as browsers show it: 32 bytes in upper-case hex."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def context(paths: Paths) -> ssl.SSLContext:
    """Return how the page speaks TLS, 1.2 or later, once `ensure` was called."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(paths.resident_certificate, paths.resident_key)
    return made


def _kept(paths: Paths) -> x509.Certificate | None:
    text = read_small(paths.resident_certificate)
    try:
        return None if text is None else x509.load_pem_x509_certificate(text)
    except ValueError:
        return None


def _serves(
    found: x509.Certificate, names: x509.SubjectAlternativeName, at: datetime
) -> bool:
    try:
        own = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return own.value == names and (
        found.not_valid_before_utc <= at < found.not_valid_after_utc - RENEW
    )


def _names(address: Address) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address.host))]
    if address.name:
        names.append(x509.DNSName(address.name))
    return x509.SubjectAlternativeName(names)


def _key(paths: Paths) -> ec.EllipticCurvePrivateKey:
    text = read_small(paths.resident_key)
    if text is not None:
        try:
            kept = load_pem_private_key(text, None)
        except ValueError:
            kept = None
        if isinstance(kept, ec.EllipticCurvePrivateKey):
            return kept
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_over(paths.resident_key, pem)
    return key
