"""The whole API over a real database: three members, a sealed meter, a token for each role."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from meterseal_aggregator.billing.receivables.vault import Vault
from meterseal_aggregator.credits import mint
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.beside.desk import BesideDesk
from meterseal_aggregator.intake.port import BesideMessage, Counters, Incoming
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.stacks.anchors.file import FilePublisher
from meterseal_aggregator.stacks.anchors.job import anchor_once
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.vee import job as vee
from meterseal_aggregator.web.limits import Rate
from meterseal_aggregator.web.shapes import ENROLMENT_BURST
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.backfill import Backfill
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.health import (
    ClockHealth,
    HealthRecord,
    MeterHealth,
    RegisterHealth,
    sign_health,
)
from meterseal_proto.keys import SealKey
from meterseal_proto.message import encode_seal
from meterseal_proto.seal import (
    Header,
    OpenRecord,
    Seal,
    record_root,
    record_salt,
)
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import Batch, Row, encode_batch
from meterseal_proto.units import IMPORT, MeterId, RegisterId, parse_obis
from tests.support.enrolling import (
    GENESIS,
    LOG_KEY,
    SLOT,
    TERMS,
    Registry,
    a_key,
    a_registry,
    a_request,
)

LATER = SLOT + 10 * 900 + 60
"""The network's time in these tests: ten slots after enrolment."""
MOVED = SLOT + 4 * 900
"""When Ada moved out of Home 1 and Cleo in."""
EXPORT = "1-0:2.8.0"
NO_SEAL = b"\x00no seal"
"""What home-1 sent once, so there is evidence to read."""


@dataclass
class WebHouse:
    """The app, its database, and who may ask: `tokens` by name."""

    registry: Registry
    app: FastAPI
    folder: Path
    desk: BesideDesk
    meter: str = ""
    members: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    seals: list[int] = field(default_factory=list)
    asked: list[Backfill] = field(default_factory=list)
    """What agents were asked to tell again."""

    @property
    def db(self) -> Database:
        """The database."""
        return self.registry.db

    async def ask(
        self, method: str, path: str, who: str | None = None, **rest: Any
    ) -> httpx2.Response:
        """Ask as `who`; nobody without. An error of the app is raised, never swallowed."""
        headers = dict(rest.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **rest)

    async def get(self, path: str, who: str | None = None) -> Any:
        """Ask for JSON that must be there."""
        answer = await self.ask("GET", path, who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, who: str | None, body: object) -> httpx2.Response:
        """Send JSON."""
        return await self.ask("POST", path, who, json=body)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[WebHouse]:
    """Open the API over a database with members Ada, Bo and Cleo and no meter yet."""
    async with a_registry(folder) as registry:
        intake = Intake(registry.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
        desk = BesideDesk(registry.db, GENESIS.network, lambda: LATER)
        asked: list[Backfill] = []
        site = Site(
            database=registry.db,
            terms=TERMS,
            now=lambda: LATER,
            real_now=lambda: LATER,
            uplink=Counters(),
            intake=intake.tally,
            duties={},
            ask_again=_heard_by(asked),
            beside=desk.tally,
            vault=Vault(bytes(32)),
            # As served, but a slow machine earns no further request meanwhile.
            publics=Rate(3_600.0, ENROLMENT_BURST),
        )
        house = WebHouse(registry, build(site), folder, desk, asked=asked)
        await _people(house)
        try:
            yield house
        finally:
            intake.close()


@asynccontextmanager
async def a_lived_in_house(folder: Path) -> AsyncIterator[WebHouse]:
    """Open the API over a house whose meter sealed eight slots; Ada left after four."""
    async with a_house(folder) as house:
        async with house.db.transaction() as tx:
            producer = Grant(house.registry.point, 9_000, SLOT)
            await grant(tx, producer, "test", now=LATER)
            await parameters.record(
                tx, parameters.Change(Name.FINALITY_DELAY_S, 0, 0, LATER, "test")
            )
        request = a_request(await house.registry.code(expires_at=LATER + 60))
        answer = await house.post("/v1/enrolments", None, request.to_json())
        assert answer.status_code == 201, answer.text
        await seal_eight(house, EnrolmentAnswer.from_json(answer.content))
        await spoil(house, NO_SEAL)
        await tell_beside(house)
        async with house.db.transaction() as tx:
            await write.end_tenancy(tx, house.registry.point, at=MOVED)
            cleo = Tenancy(house.members["cleo"], house.registry.point, MOVED, None)
            await write.begin_tenancy(tx, cleo)
        await do_every_duty(house)
        yield house


async def _people(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        ada = MemberId(house.registry.member)
        bo = await identity.add_member(tx, "Bo", now=LATER)
        cleo = await identity.add_member(tx, "Cleo", now=LATER)
        house.members = {"ada": ada, "bo": bo, "cleo": cleo}
        point = await write.add_meter_point(tx, "Home 2", now=LATER)
        await write.begin_tenancy(tx, Tenancy(bo, point, SLOT, None))
        for role in (Role.OPERATOR, Role.AUDITOR, Role.METRICS):
            new = identity.NewToken(role, "test", LATER, LATER + 60)
            house.tokens[role.value] = await identity.make_token(tx, new)
        for name, member in house.members.items():
            token = identity.NewToken(
                Role.MEMBER, "test", LATER, LATER + 60, MemberId(member)
            )
            house.tokens[name] = await identity.make_token(tx, token)


async def seal_eight(house: WebHouse, answer: EnrolmentAnswer) -> None:
    """Seal eight export slots of 100 Wh each, as the enrolled agent does."""
    house.meter = answer.meters[0].meter
    start = next(head for head in answer.heads if head.register == EXPORT)
    intake = Intake(house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
    prev, value = bytes.fromhex(start.hash), start.value
    messages = []
    for n in range(8):
        value += 100
        seal = _one(a_key(), house.meter, (n, prev, value), parse_obis(EXPORT))
        prev = seal.header.digest(GENESIS.chain_id)
        messages.append(Incoming("home-1", encode_seal(seal), None))
    await intake.deliver(messages)
    intake.close()
    assert not intake.tally.reasons, intake.tally
    async with house.db.reading() as tx:
        rows = await tx.rows("SELECT id FROM seals ORDER BY id")
    house.seals = [row[0] for row in rows]


async def spoil(house: WebHouse, *payloads: bytes) -> None:
    """Let agent home-1 send what is no seal."""
    intake = Intake(house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
    await intake.deliver([Incoming("home-1", payload, None) for payload in payloads])
    intake.close()


def _heard_by(asked: list[Backfill]) -> Callable[[Backfill], bool]:
    def ask_again(request: Backfill) -> bool:
        asked.append(request)
        return True

    return ask_again


async def tell_beside(house: WebHouse) -> None:
    """Let home-1 tell six slots of telemetry, one sample each, and how it does.

    The third slot is missing.
    """
    desk, meter = house.desk, MeterId(bytes.fromhex(house.meter))
    for n in (0, 1, 3, 4, 5, 6):
        begin = SLOT + n * 900
        row = Row(begin + 450, (500 + n, 230_000))
        registers = (parse_obis("1-0:16.7.0"), parse_obis("1-0:32.7.0"))
        batch = Batch(meter, 2, Span(begin, begin + 900), registers, (row,))
        assert desk.take(BesideMessage("home-1", "tel", encode_batch(batch)))
    record = HealthRecord(
        *(GENESIS.network, "home-1", LATER - 5, SLOT, "0.1.0"),
        ClockHealth(2, -412, LATER - 9),
        (MeterHealth(meter, 8, 1, 0),),
        (RegisterHealth(meter, parse_obis(EXPORT), 8, MOVED, 0, 0),),
        {"sent": 8},
        ("meter-silent",),
    )
    assert desk.take(BesideMessage("home-1", "health", sign_health(record, a_key())))
    assert await desk.keep_taken() == 7, desk.tally


async def seal_import(house: WebHouse, slots: int) -> None:
    """Seal the next import slots of 100 Wh each, from the first one on, as late as now."""
    async with house.db.reading() as tx:
        rows = await tx.rows(
            "SELECT coalesce(h.hash, r.enrolment_hash), coalesce(h.value, r.initial_value),"
            " coalesce(h.seq, 0) FROM registers r LEFT JOIN heads h ON h.register_id = r.id"
            " WHERE r.register = ?",
            (IMPORT,),
        )
    ((prev, value, told),) = rows
    payloads = []
    for n in range(told, told + slots):
        value += 100
        seal = _one(a_key(), house.meter, (n, prev, value), IMPORT)
        prev = seal.header.digest(GENESIS.chain_id)
        payloads.append(encode_seal(seal))
    await spoil(house, *payloads)


def _one(
    key: SealKey, meter: str, at: tuple[int, bytes, int], register: RegisterId
) -> Seal:
    n, prev, value = at
    raw = MeterId(bytes.fromhex(meter))
    records = (OpenRecord(SLOT + n * 900, 100, value, 14),)
    salts = (record_salt(bytes(32), register, records[0].start, 900, 0),)
    header = Header(
        GENESIS.network, raw, register, records[0].start, 900, 1, n + 1, prev,
        record_root(records, salts),
    )  # fmt: skip
    return Seal(header, key.sign(header.digest(GENESIS.chain_id)), records, salts)


async def do_every_duty(house: WebHouse) -> None:
    """Let every duty do what there is to do."""
    key = sequencer.LogKey("street.example/log", LOG_KEY)
    await sequencer.run_once(house.db, key, LATER)
    await vee.run_once(house.db, LATER)
    await mint.run_once(house.db, GENESIS.network, LATER)
    await anchor_once(house.db, FilePublisher(house.folder / "anchors"), LATER)


def pretty(answer: httpx2.Response) -> str:
    """Return what went wrong, for assertions."""
    return json.dumps({"status": answer.status_code, "body": answer.text[:400]})
