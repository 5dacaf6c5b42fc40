"""A made-up house in the story's own books: what an aggregator knows of a home that hides.

Enrolled, told, proved and billed by the aggregator's own rooms; only its meter is made up.
This module must never write into an aggregator's books that anybody relies on.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.chain_meters import BITS, CHAIN_ID, GOOD, IMPORT, STEP, Json, Meter
from meterseal_aggregator.billing.supplies import store as supplies
from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.identity import wallets
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.identity.store import add_member
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.privacy import proofs
from meterseal_aggregator.privacy import tariffs as openings
from meterseal_aggregator.registry import write as registry
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto import backup
from meterseal_proto.bill import BillStatement, amount_of, sign_bill
from meterseal_proto.commitment import Slot
from meterseal_proto.committed import (
    CommittedSeal,
    Envelope,
    Parcel,
    openings_of,
    records_of,
    statement_of,
    summed_opening,
)
from meterseal_proto.committed_message import encode_committed
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.rating.statement import Rail
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.seal import MODE_COMMITTED, parse_header
from meterseal_proto.totals import day_place, masked

AGENT: Final = "story"
CAPACITY_W: Final = 10_000
_SEEDS: Final = tuple(bytes([n]) * 32 for n in (1, 2, 3))
_STORE_KEY: Final = bytes(64)


@dataclass(slots=True)
class House:
    """A member's house in `books`: its meter, its days as sealed and what they hide.

    `owner` is who lives there by the story's names, `begin` the first second that is billed.
    """

    books: Database
    genesis: Genesis
    meter: Meter
    owner: str
    begin: int
    member: int = 0
    days: tuple[Json, ...] = ()
    opened: tuple[tuple[Opening, ...], ...] = ()

    @property
    def link(self) -> bytes:
        """What its meter's first header follows, 32 bytes; an agent's enrolment elsewhere."""
        return hashlib.sha256(self.meter.id).digest()

    @property
    def whole(self) -> Opening:
        """What opens the sum of all days."""
        return summed_opening([one for day in self.opened for one in day])


async def settle(house: House, owner: Account, tariff: FullTariff, *, now: int) -> None:
    """Enrol the house, link its member's wallet, and let it be supplied on the chain's rail."""
    meter, at = house.meter, house.begin
    meter.heads[IMPORT] = (0, house.link)
    async with house.books.transaction() as tx:
        await declare(tx, Asset(tariff.currency), now=now)
        house.member = await add_member(tx, f"who lives in {meter.name}", now=now)
        point = await registry.add_meter_point(tx, meter.name, now=now)
        await registry.begin_tenancy(tx, Tenancy(house.member, point, now, None))
        new = registry.NewMeter(meter.id, meter.name, "made-up", AGENT, point, now)
        await registry.install(tx, [new], now=now)
        register = registry.NewRegister(
            meter.id, IMPORT, STEP, CAPACITY_W, 0, at, house.link, MODE_COMMITTED, BITS
        )
        await registry.open_registers(tx, [register])
        (entry,) = await log.append(tx, [bill_hash_entry(house.link)])
        public = meter.key.public
        span = registry.NewSpan(
            meter.id, IMPORT, str(public.algorithm), public.raw, 1, entry, now
        )
        await registry.begin_spans(tx, [span])
        await tariffs.publish(tx, tariff.document(), now=now)
        terms = Terms(tariff.id, Rail.STACKS)
        await supplies.begin(tx, NewSupply(house.member, point, terms, at))
        await _link(tx, house, owner)


async def _link(tx: Transaction, house: House, owner: Account) -> None:
    now = int(time.time())
    asker = wallets.Asker(MemberId(house.member), house.genesis.network, CHAIN_ID)
    asked = await wallets.issue(tx, asker, owner.principal, now=now)
    signature = asked.sign(owner.key.secret, CHAIN_ID)
    await wallets.link(tx, asker, wallets.Answer(asked.nonce, signature), now=now)


async def tell(
    house: House, days: Sequence[Json], usage: Sequence[Sequence[int]], *, now: int
) -> None:
    """Hand a house's sealed days to intake, and have their proofs checked."""
    made = await asyncio.to_thread(_seals, house, days, usage)
    house.days, house.opened = tuple(days), tuple(opened for _, opened in made)
    await _deliver(house, [seal for seal, _ in made], now)


async def tell_again(
    house: House, day: Json, usage: Sequence[int], *, now: int
) -> None:
    """Hand a day that its meter told again to intake; what was billed stays what it was."""
    ((seal, _),) = await asyncio.to_thread(_seals, house, [day], [usage])
    await _deliver(house, [seal], now)


async def _deliver(house: House, seals: Sequence[CommittedSeal], now: int) -> None:
    notary = Notary(house.genesis, Ed25519PrivateKey.generate())
    intake = Intake(house.books, notary, lambda: now)
    try:
        await intake.deliver(
            [Incoming(AGENT, encode_committed(seal), None) for seal in seals]
        )
    finally:
        intake.close()
    while (await proofs.run_once(house.books, house.genesis, now, set_aside)).count:
        pass


def _seals(
    house: House, days: Sequence[Json], usage: Sequence[Sequence[int]]
) -> list[tuple[CommittedSeal, tuple[Opening, ...]]]:
    return [_seal(house, *one) for one in zip(days, usage, strict=True)]


def _seal(
    house: House, day: Json, values: Sequence[int]
) -> tuple[CommittedSeal, tuple[Opening, ...]]:
    """Return a day with its range proof, and what opens it."""
    meter = house.meter
    header = parse_header(bytes.fromhex(str(day["header"])))
    place = Slot(house.genesis.network, meter.id, IMPORT, header.first, STEP)
    opened = openings_of(place, values, meter.root.blind_key(meter.id))
    records = tuple(records_of(place, opened, [GOOD] * len(values)))
    digest, whole = header.digest(CHAIN_ID), summed_opening(opened)
    kept = backup.Day(
        header.network, header.meter, header.register, header.first, header.step,
        header.seq,
    )  # fmt: skip
    parcel = Parcel(
        prove(statement_of(digest, BITS, records), opened),
        backup.keep(_STORE_KEY, kept, values),
        masked(whole.value, whole.blinding, _SEEDS, day_place(header, 0)),
    )
    signature = bytes.fromhex(str(day["signature"]))
    envelope = Envelope.sign(meter.key, digest, parcel)
    return CommittedSeal(header, signature, records, envelope), tuple(opened)


async def answer(house: House, *, now: int) -> None:
    """Open what the house's device is asked for: one amount over all of its days."""
    async with house.books.reading() as tx:
        ((begin, end, name),) = await tx.rows(
            "SELECT b.from_at, b.to_at, b.tariff FROM bill_requests b"
            " JOIN registers r ON r.id = b.register_id JOIN meters m ON m.id = r.meter_id"
            " WHERE b.bill_id IS NULL AND m.meter = ?",
            (bytes(house.meter.id),),
        )
        tariff = await openings.tariff_named(tx, name)
    assert tariff is not None
    opened = [one for day in house.opened for one in day]
    starts = [begin + n * STEP for n in range(len(opened))]
    prices = tariff.prices(starts, openings.clock_of(tariff.zone))
    statement = BillStatement(
        house.genesis.network, house.meter.id, IMPORT, begin, end, name,
        amount_of(prices, [one.value for one in opened]), 0,
        tuple(bytes.fromhex(str(day["hash"])) for day in house.days), house.link,
    )  # fmt: skip
    blindings = [one.blinding for one in opened]
    bill = sign_bill(statement, prices, blindings, house.meter.key)
    await private.take(house.books, bill, house.genesis, now)
