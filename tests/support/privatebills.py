"""A private home that is billed: a committed device, its supply, and bills over hidden days.

    async with a_home(folder) as home:
        kept = await home.opened(total_tariff)      # the device opens the period
        bill = await home.issue(kept)               # a bill of it stands, on the Stacks rail

The device signs whatever it is asked: what a device refuses, the agent's tests say.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.zone import zone_of
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.privacy import proofs, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.bill import ProvedBill
from meterseal_proto.commitment import total
from meterseal_proto.committed import summed_opening
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rangeprover import Opening
from meterseal_proto.rating.components import (
    Block,
    Component,
    Fixed,
    Per,
    Price,
    Proration,
    Tier,
)
from meterseal_proto.rating.components import Milli as Wh
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.statement import (
    Rail,
    Segment,
    Statement,
    StatementKind,
    Usage,
    statement_hash,
)
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.tariff import Tariff
from tests.support.committed import CommittedDevice, Day, bill_over, committed_device
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import FrontDesk, front_desk
from tests.support.marketplace import make_member, make_point

ZONE = "UTC"
SLOTS = [n * 401 % 3_001 for n in range(24)]
DAY_S = len(SLOTS) * 900
STX = Asset("STX")
BLOCKS = Block("energy", (Tier(Price(200_000), Wh(20_000)), Tier(Price(400_000))))
STANDING = Fixed("standing", Price(10_000), Per.DAY, Proration.DAYS)


def chain_tariff(*components: Component) -> FullTariff:
    """Two blocks and a charge per day, in STX, each line rounded down."""
    return FullTariff(
        "blocks", "STX", ZONE, 0, Commodity.ELECTRICITY, components or (BLOCKS, STANDING),
        Rule.DOWN, Split.PROPORTION, minor=6,
    )  # fmt: skip


@dataclass
class PrivateHome:
    """A member with one committed register, some verified days of it, and his supply."""

    desk: FrontDesk
    device: CommittedDevice
    days: list[Day]
    tariff: FullTariff
    member: int = 0
    point: int = 0
    supply: int = 0

    @property
    def period(self) -> Period:
        """All days that were told."""
        return Period.whole(BEGAN_AT, self.days[-1].seal.header.end)

    @property
    def usage(self) -> int:
        """What nobody else knows, Wh."""
        return self.opening.value.reveal()

    @property
    def opening(self) -> Opening:
        """What opens the sum of its days."""
        return summed_opening([one for day in self.days for one in day.openings])

    @property
    def sum(self) -> bytes:
        """The sum of its days' commitments."""
        return total([day.seal.header.sum for day in self.days])

    def bill(self, tariff: Tariff, previous: bytes | None = None) -> ProvedBill:
        """What the device opens when it is asked at a tariff."""
        change = {} if previous is None else {"previous": previous}
        return bill_over(self.device, self.days, tariff, **change)

    async def opened(self) -> KeptBill:
        """Let the device open what the tariff in full needs, and keep it."""
        (tariff,) = plan_of(self.tariff).tariffs
        async with self.desk.database.transaction() as tx:
            await tariffs.publish(tx, tariff.document(), now=1)
        return await private.take(
            self.desk.database, self.bill(tariff), GENESIS, self.period.end
        )

    async def issue(self, kept: KeptBill | None, rail: Rail = Rail.STACKS) -> BillRow:
        """Issue the bill of an opened period."""
        statement = self.statement(kept, rail)
        async with self.desk.database.transaction() as tx:
            await keep_bill(tx, statement, self.supply, kept)
            return await bills.bill(tx, statement.number)

    def statement(self, kept: KeptBill | None, rail: Rail) -> Statement:
        """The statement of an opened period, or one over nothing opened."""
        period, plan = self.period, plan_of(self.tariff)
        amount = kept.bill.statement.amount if kept else 5_000
        found = OpenedPeriod(period, self.device.step, (amount,))
        local = partial(_local, self.tariff.zone)
        lines = rate_opened(self.tariff, plan, found, local).lines
        proof = kept.bill.statement.digest() if kept else b""
        usage = Usage(
            self.device.meter, self.device.register, period.begin, period.end, 900, None,
            None, None, 0, proof=proof,
        )  # fmt: skip
        cycle = (period.begin, period.end, period.begin, period.end)
        return Statement(
            GENESIS.network, "2026-00000001", StatementKind.BILL, self.member, self.point,
            self.tariff.zone, period.begin, period.end, self.tariff.currency,
            self.tariff.minor, rail, period.end, period.end, period.end + 86_400,
            (usage,), (Segment(self.tariff.hash(), *cycle, lines),),
        )  # fmt: skip


def _local(zone: str, at: int) -> datetime:
    return datetime.fromtimestamp(at, zone_of(zone))


async def keep_bill(
    tx: Transaction, statement: Statement, supply: int, kept: KeptBill | None
) -> None:
    """Write a bill's rows as the room of statements does."""
    document, salt = write_statement(statement), bytes(16)
    digest = statement_hash(salt, document)
    (entry,) = await log.append(tx, [bill_hash_entry(digest)])
    micro = statement.total * 10 ** (6 - statement.minor)
    row = (
        statement.number, statement.kind.value, supply, statement.member,
        statement.begin, statement.end, statement.currency, micro,
        kept.id if kept else None, statement.rail.value, statement.known_at,
        statement.issued_at, document, salt, digest, entry,
    )  # fmt: skip
    ((bill_id,),) = await tx.rows(
        "INSERT INTO bills (number, kind, supply_id, member_id, from_at, to_at, asset,"
        " amount, private_bill_id, rail, known_at, issued_at, document, salt, hash,"
        " log_entry_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " RETURNING id",
        row,
    )
    await tx.many(
        "INSERT INTO bill_standings (bill_id, state, due_at, looked_to)"
        " VALUES (?, 'issued', ?, ?)",
        [(bill_id, statement.due_at, statement.issued_at)],
    )


async def settle_home(home: PrivateHome) -> None:
    """Make the member, where the meter stands, and his supply on the Stacks rail."""
    full = home.tariff
    async with home.desk.database.transaction() as tx:
        await declare(tx, Asset(full.currency), now=1)
        home.member = await make_member(tx, "Ada")
        home.point = await make_point(tx, home.member, BEGAN_AT)
        await tx.rows(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, 1, ?)",
            (home.device.register_id, BEGAN_AT),
        )
        (entry,) = await log.append(tx, [hashlib.sha256(full.document()).digest()])
        await tx.rows(
            "INSERT INTO full_tariffs (hash, code, valid_from, asset, document,"
            " recorded_at, log_entry_id) VALUES (?, ?, ?, ?, ?, 1, ?)",
            (
                full.hash(),
                full.id,
                full.valid_from,
                full.currency,
                full.document(),
                entry,
            ),
        )
        ((home.supply,),) = await tx.rows(
            "INSERT INTO supplies (member_id, meter_point_id, tariff_code, rail, from_at,"
            " billed_to) VALUES (?, 1, ?, 'stacks', ?, ?) RETURNING id",
            (home.member, full.id, BEGAN_AT, BEGAN_AT),
        )


@asynccontextmanager
async def a_home(
    folder: Path, days: int = 2, tariff: FullTariff | None = None
) -> AsyncIterator[PrivateHome]:
    """A home whose device told some days, all of them proved."""
    device = committed_device()
    async with front_desk(folder, [device]) as desk:
        sent = [device.tell(SLOTS) for _ in range(days)]
        desk.now = sent[-1].seal.header.end
        await desk.take(*(day.by("pi-1") for day in sent))
        while (await proofs.run_once(desk.database, GENESIS, 1, set_aside)).count:
            pass
        home = PrivateHome(desk, device, sent, tariff or chain_tariff())
        await settle_home(home)
        yield home
