"""The embedded endpoint's TLS: an agent's certificate is good for as long as the agent."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from meterseal_aggregator.app.gate import Gate
from meterseal_aggregator.app.house import House, open_house
from meterseal_aggregator.config import Config, Mqtt
from meterseal_aggregator.registry import codes, rekey, write
from meterseal_aggregator.registry.enrol import enrol, new_code
from meterseal_aggregator.registry.model import CodeGrant, CodeKind, Moment
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.units import MeterId
from tests.support.enrolling import NOW, TERMS, a_key, a_meter, a_request


@dataclass
class Door:
    """An open house, its gate, and a server behind that gate; `port` is the server's."""

    house: House
    gate: Gate
    folder: Path
    port: int

    async def enrol(
        self, name: str, key: str, kind: CodeKind = CodeKind.ENROLMENT
    ) -> tuple[Path, MeterId]:
        """Enrol agent `name` with one meter; returns its certificate file and the meter."""
        real, code = int(time.time()), new_code()
        tls = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        pem = csr.sign(tls, SHA256()).public_bytes(Encoding.PEM).decode()
        terms = replace(TERMS, authority=self.house.keys.authority)
        async with self.house.database.transaction() as tx:
            held = await tx.rows("SELECT id FROM meter_points WHERE name = ?", (name,))
            point = held[0][0] if held else None
            point = point or await write.add_meter_point(tx, name, now=NOW)
            grant = CodeGrant(0, kind, name, point, 10_000, real + 3600)
            await codes.keep(tx, code, grant, created_at=real)
            wish = a_request(code, a_meter(name), key=a_key(key), csr_pem=pem)
            answer = EnrolmentAnswer.from_json(
                await enrol(tx, wish, terms, Moment(NOW, real))
            )
        secret = tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        mine = self.folder / f"{key}.pem"
        mine.write_bytes(secret + answer.certificate_pem.encode())
        return mine, MeterId(bytes.fromhex(answer.meters[0].meter))

    async def revoke(self, meter: MeterId) -> None:
        """Revoke a meter's keys, as the operator does."""
        async with self.house.database.transaction() as tx:
            await rekey.revoke(tx, meter, TERMS.chain)

    async def lets_in(
        self, mine: Path | None, best: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> bool:
        """Tell whether a client with this certificate is greeted; it keeps no ticket."""
        context = ssl.create_default_context(cafile=str(self.house.keys.ca_file))
        context.maximum_version = best
        if mine is not None:
            context.load_cert_chain(mine)
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context
            )
            greeting = await reader.read(5)
        except (ssl.SSLError, OSError):
            return False
        session = writer.get_extra_info("ssl_object").session
        assert session is None or not session.has_ticket
        writer.close()
        return greeting == b"hello"


@asynccontextmanager
async def _door(folder: Path) -> AsyncIterator[Door]:
    mqtt = Mqtt(tls=True, advertise="127.0.0.1:8883")
    config = Config(data_dir=folder / "house", mqtt=mqtt)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    async with open_house(config, upgrade=True) as house:
        gate = Gate(house)
        await gate.refresh()
        server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=gate.context)
        async with server:
            yield Door(house, gate, folder, server.sockets[0].getsockname()[1])


async def test_a_replaced_agents_certificate_lets_nobody_in(tmp_path: Path) -> None:
    async with _door(tmp_path) as door:
        dead, _ = await door.enrol("home-1", "dead")
        other, _ = await door.enrol("home-2", "other")
        await door.gate.refresh()
        assert await door.lets_in(dead)
        new, _ = await door.enrol("home-1", "new", CodeKind.REPLACEMENT)
        await door.gate.refresh()
        assert not await door.lets_in(dead)
        assert await door.lets_in(new)
        assert await door.lets_in(other)
        assert not await door.lets_in(None)


async def test_a_revoked_agents_certificate_lets_nobody_in(tmp_path: Path) -> None:
    async with _door(tmp_path) as door:
        stolen, meter = await door.enrol("home-1", "stolen")
        other, others = await door.enrol("home-2", "other")
        await door.revoke(meter)
        await door.gate.refresh()
        assert not await door.lets_in(stolen)
        assert await door.lets_in(other)
        # A second change within the same second counts as well.
        await door.revoke(others)
        await door.gate.refresh()
        assert not await door.lets_in(other)
        new, _ = await door.enrol("home-1", "new", CodeKind.REPLACEMENT)
        await door.gate.refresh()
        assert await door.lets_in(new)
        assert not await door.lets_in(stolen)


async def test_a_session_cannot_be_taken_up_again_without_its_certificate(
    tmp_path: Path,
) -> None:
    async with _door(tmp_path) as door:
        good, _ = await door.enrol("home-1", "good")
        await door.gate.refresh()
        assert await door.lets_in(good)
        # TLS 1.2 would: its sessions need no ticket.
        assert not await door.lets_in(good, ssl.TLSVersion.TLSv1_2)


async def test_who_was_revoked_stays_out_after_a_restart(tmp_path: Path) -> None:
    async with _door(tmp_path) as door:
        stolen, meter = await door.enrol("home-1", "stolen")
        good, _ = await door.enrol("home-2", "good")
        await door.revoke(meter)
    async with _door(tmp_path) as door:
        assert not await door.lets_in(stolen)
        assert await door.lets_in(good)


async def test_a_database_in_trouble_leaves_the_gate_as_it_was(tmp_path: Path) -> None:
    async with _door(tmp_path) as door:
        stolen, meter = await door.enrol("home-1", "stolen")
        good, _ = await door.enrol("home-2", "good")
        await door.revoke(meter)
        await door.gate.refresh()
        async with door.house.database.transaction() as tx:
            await tx.rows("UPDATE claims_version SET version = version + 1")
            await tx.rows("ALTER TABLE enrolments RENAME TO gone")
        with pytest.raises(Exception, match="no such table"):
            await door.gate.refresh()
        assert await door.lets_in(good)
        assert not await door.lets_in(stolen)
