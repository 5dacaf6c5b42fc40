"""A registry with a database of its own, and agents that ask to be enrolled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.intake.store import heads
from meterseal_aggregator.registry import codes, write
from meterseal_aggregator.registry.authority import DeviceAuthority
from meterseal_aggregator.registry.enrol import NetworkTerms, enrol, new_code
from meterseal_aggregator.registry.model import CodeGrant, CodeKind, Moment, Tenancy
from meterseal_aggregator.registry.rekey import ChainAccess
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog.store import append
from meterseal_proto.checkpoint import NoteKey
from meterseal_proto.enrolment import (
    EnrolmentRequest,
    Genesis,
    MeterRequest,
    RegisterStart,
    possession_digest,
)
from meterseal_proto.keys import RootSecret, SealKey
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.migrated import open_migrated

NOW = 1_790_000_100
SLOT = 1_790_000_100 - 1_790_000_100 % 900
LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"log".ljust(32, b"."))
GENESIS = Genesis(
    2_147_483_648,
    "file",
    NoteKey("street.example/log", LOG_KEY.public_key().public_bytes_raw()).vkey,
)


TERMS = NetworkTerms(
    authority=DeviceAuthority.make("street", real_now=NOW),
    chain=ChainAccess(GENESIS.network, append, heads),
    genesis=GENESIS,
    network_name="street",
    receipt_key=bytes(32),
    broker="127.0.0.1:1883",
    broker_tls=False,
)


@dataclass
class Registry:
    """A database with one member at one meter point."""

    db: Database
    member: int
    point: int

    async def code(self, kind: CodeKind = CodeKind.ENROLMENT, **change: object) -> str:
        """Make a one-time code for agent `home-1`, 10 kW, valid for an hour."""
        grant = CodeGrant(0, kind, "home-1", self.point, 10_000, NOW + 3600)
        text = new_code()
        async with self.db.transaction() as tx:
            changed = replace(grant, **change)  # type: ignore[arg-type]
            await codes.keep(tx, text, changed, created_at=NOW)
        return text

    async def enrol(self, request: EnrolmentRequest, now: int = NOW) -> str:
        """Send a request; the answer's JSON text."""
        async with self.db.transaction() as tx:
            return await enrol(tx, request, TERMS, Moment(now, now))


@asynccontextmanager
async def a_registry(folder: Path) -> AsyncIterator[Registry]:
    """Open a registry in `folder`."""
    db = await open_migrated(folder / "registry.db")
    async with db.transaction() as tx:
        member = await identity.add_member(tx, "Ada", now=NOW)
        point = await write.add_meter_point(tx, "Home 1", now=NOW)
        await write.begin_tenancy(tx, Tenancy(member, point, SLOT - 86_400, None))
    try:
        yield Registry(db, member, point)
    finally:
        await db.close()


def a_key(seed: str = "home-1") -> SealKey:
    """Make a seal key from a seed."""
    return RootSecret(seed.encode().ljust(32, b".")).seal_key()


def a_csr(name: str = "whatever") -> str:
    """Make a certificate request that asks for a name of its own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    return csr.public_bytes(Encoding.PEM).decode()


def a_meter(serial: str = "SDM-1", **change: object) -> MeterRequest:
    """Make a meter with import and export registers of 900 s."""
    starts = (
        RegisterStart(IMPORT, 900, 1_000, SLOT),
        RegisterStart(EXPORT, 900, 50, SLOT),
    )
    meter = MeterRequest(serial, "eastron-sdm630", 10_000, starts)
    return replace(meter, **change)  # type: ignore[arg-type]


def a_request(
    code: str,
    *meters: MeterRequest,
    key: SealKey | None = None,
    csr_pem: str | None = None,
) -> EnrolmentRequest:
    """Make a request whose key signed for this code and CSR."""
    key, csr_pem = key or a_key(), csr_pem or a_csr()
    return EnrolmentRequest(
        code=code,
        csr_pem=csr_pem,
        algorithm=str(key.algorithm),
        seal_key=key.public.raw.hex(),
        possession=key.sign(possession_digest(code, csr_pem)).hex(),
        meters=meters or (a_meter(),),
    )
