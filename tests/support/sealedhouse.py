"""A utility whose meters really seal: what is billed can be proved slot by slot.

async with a_sealed_house(folder) as house:
    ...                             # Ada's May is sealed, packed, billed and in the log
    answer = await house.ask("GET", "/v1/bills/2026-00000001/evidence.zip", "ada")
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from meterseal_aggregator.billing.statements import duty
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.intake.batch import Intake, Notary, Tally
from meterseal_aggregator.intake.port import Counters, Incoming
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.entry import KeyEvent, key_event_entry
from meterseal_proto.keys import SealKey
from meterseal_proto.message import encode_seal
from meterseal_proto.seal import Header, OpenRecord, Seal, record_root, record_salt
from meterseal_proto.units import IMPORT, MeterId, RegisterId
from tests.support.billinghouse import (
    BEFORE,
    CODE,
    DAY,
    HOUR,
    MAY,
    STEP,
    Home,
    Utility,
    a_utility,
)
from tests.support.enrolling import GENESIS, LOG_KEY, TERMS, a_key

DAYS = 12
"""What is sealed of May; Ada moved out then."""
OUT = MAY + DAYS * DAY
NOW = OUT + 6 * HOUR
KEY = sequencer.LogKey("street.example/log", LOG_KEY)


@dataclass
class SealedHouse:
    """The API over the utility, its homes by name, and who may ask."""

    utility: Utility
    app: FastAPI | None = None
    homes: dict[str, Home] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, who: str, **rest: Any
    ) -> httpx2.Response:
        """Ask as somebody."""
        headers = dict(rest.pop("headers", {}))
        headers["Authorization"] = f"Bearer {self.tokens[who]}"
        assert self.app is not None
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **rest)

    async def sequence(self) -> None:
        """Let the log take what waits."""
        while (await sequencer.run_once(self.utility.database, KEY, NOW)).more:
            pass


@asynccontextmanager
async def a_sealed_house(
    folder: Path, *, logged: bool = True
) -> AsyncIterator[SealedHouse]:
    """Open a house in which Ada and Ben used 12 days of May, sealed, and were billed."""
    async with a_utility(folder) as utility:
        house = SealedHouse(utility)
        for name in ("ada", "ben"):
            home = await utility.supply(name, code=CODE, from_at=MAY, to_at=OUT)
            house.homes[name] = home
            await seal_all(utility, home)
        database = utility.database
        while await job.run_once(database, NOW):
            pass
        while await days.run_once(database, NOW - HOUR):
            pass
        while await duty.run_once(database, GENESIS.network, NOW, 500):
            pass
        if logged:
            await house.sequence()
        await _tokens(house)
        site = Site(
            database=database, terms=TERMS, now=lambda: NOW, real_now=lambda: NOW,
            uplink=Counters(), intake=Tally(), duties={},
        )  # fmt: skip
        house.app = build(site)
        yield house


async def seal_all(
    utility: Utility, home: Home, register: RegisterId = IMPORT, begin: int = MAY
) -> None:
    """Give a register a key, and seal its days as its device does."""
    row = home.registers[register]
    async with utility.database.transaction() as tx:
        meter, start = await _enrol(tx, row, register)
    intake = Intake(utility.database, Notary(GENESIS, LOG_KEY), lambda: NOW)
    messages, prev, value = [], row.to_bytes(32), 0
    for seq, (first, count) in enumerate(_seals(start, begin), 1):
        step = STEP if first >= begin else begin - start
        records = []
        for n in range(count):
            delta = 0 if first < begin else 200 + (first // STEP + n * 7) % 90
            value += delta
            quality = 14 if first >= begin else 10
            records.append(OpenRecord(first + n * step, delta, value, quality))
        seal = _sealed(a_key(), (meter, register), (seq, prev, step), records)
        prev = seal.header.digest(GENESIS.chain_id)
        messages.append(Incoming("agent", encode_seal(seal), None))
    await intake.deliver(messages)
    intake.close()
    assert not intake.tally.reasons, intake.tally


def _seals(start: int, begin: int) -> list[tuple[int, int]]:
    """One long interval up to the beginning, then a day a seal."""
    whole = [(begin + n * DAY, DAY // STEP) for n in range(DAYS)]
    return [(start, 1), *whole] if start < begin else whole


async def _enrol(
    tx: Transaction, row: int, register: RegisterId
) -> tuple[MeterId, int]:
    ((raw, meter_id, start),) = await tx.rows(
        "SELECT m.meter, m.id, r.initial_at FROM registers r"
        " JOIN meters m ON m.id = r.meter_id WHERE r.id = ?",
        (row,),
    )
    public, meter = a_key().public, MeterId(raw)
    event = KeyEvent(
        GENESIS.network, meter, register, str(public.algorithm), public.raw, 1, STEP, 0,
        start,
    )  # fmt: skip
    (entry,) = await log.append(tx, [key_event_entry(event)])
    ((key,),) = await tx.rows(
        "INSERT INTO meter_keys (meter_id, algorithm, public, enrolled_at)"
        " VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET algorithm = algorithm"
        " RETURNING id",
        (meter_id, str(public.algorithm), public.raw, BEFORE),
    )
    await tx.many(
        "INSERT INTO key_spans (key_id, register_id, from_seq, log_entry_id)"
        " VALUES (?, ?, 1, ?)",
        [(key, row, entry)],
    )
    return meter, start


def _sealed(
    key: SealKey,
    place: tuple[MeterId, RegisterId],
    at: tuple[int, bytes, int],
    records: list[OpenRecord],
) -> Seal:
    seq, prev, step = at
    salts = tuple(
        record_salt(place[0] * 2, place[1], one.start, step, 0) for one in records
    )
    header = Header(
        GENESIS.network, *place, records[0].start, step, len(records), seq, prev,
        record_root(records, salts),
    )  # fmt: skip
    signature = key.sign(header.digest(GENESIS.chain_id))
    return Seal(header, signature, tuple(records), salts)


async def _tokens(house: SealedHouse) -> None:
    async with house.utility.database.transaction() as tx:
        new = identity.NewToken(Role.OPERATOR, "test", 0, NOW + DAY)
        house.tokens["operator"] = await identity.make_token(tx, new)
        for name, home in house.homes.items():
            who = MemberId(home.member)
            token = identity.NewToken(Role.MEMBER, "t", 0, NOW + DAY, who)
            house.tokens[name] = await identity.make_token(tx, token)
