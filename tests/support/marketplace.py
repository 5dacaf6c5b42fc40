"""People who trade: members with money, meter points with a meter or without, and promises.

    member = await make_member(tx, "Ada")
    point = await make_point(tx, member)          # unmetered: sells under DEMO only
    home = await make_home(tx, member, point)     # an open export meter there: `home.tell`
    await certify(tx, point)
    await fund(tx, member, 5_000_000, now=NOW)

Rows are written the way the rooms leave them. The market's slots have 900 s of UTC and
prices are in XTS, as the parameters say where nobody set them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, user
from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.ledger.model import Account, AccountCode, Asset, Transfer
from meterseal_aggregator.market import standing
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.parameters.model import Name, Value
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.units import EXPORT, RegisterId
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, Home

XTS: Final = Asset("XTS")
DEMO: Final = MarketRules(mock=Mock())
"""Points without a meter may sell."""
REAL: Final = MarketRules()
SLOT_S: Final = 900
DAY: Final = BEGIN + 86_400
"""A midnight, UTC: the day whose slots are traded."""
NOW: Final = BEGIN + 12 * 3_600
"""Noon of the day before."""
CAPACITY_W: Final = 9_000


def slot(number: int) -> int:
    """The first second of a slot of the traded day."""
    return DAY + number * SLOT_S


@asynccontextmanager
async def a_market(folder: Path) -> AsyncIterator[Database]:
    """Open an empty, migrated database whose ledger knows the asset XTS."""
    database = await open_migrated(folder / "market.sqlite")
    async with database.transaction() as tx:
        await declare_asset(tx, XTS, now=BEGIN)
    try:
        yield database
    finally:
        await database.close()


async def make_member(tx: Transaction, name: str) -> int:
    """Add a member without anything."""
    return await identity.add_member(tx, name, now=BEGIN)


async def make_point(tx: Transaction, member: int, from_at: int = BEGIN) -> int:
    """Add a meter point without a meter, which a member holds from then on."""
    ((count,),) = await tx.rows("SELECT count(*) FROM meter_points")
    point = await write.add_meter_point(tx, f"house {count + 1}", now=BEGIN)
    await write.begin_tenancy(tx, Tenancy(member, point, from_at, None))
    return point


async def make_home(
    tx: Transaction,
    member: int,
    point: int,
    *,
    register: RegisterId = EXPORT,
    mode: int = 0,
    step: int = SLOT_S,
) -> Home:
    """Let a meter with one register stand at a meter point since BEGIN."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM meters")
    number = last + 1
    meter = number.to_bytes(16)
    await tx.many(
        "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
        " VALUES (?, ?, ?, 'sdm120', 'agent', 0)",
        [(number, meter, f"S{number}")],
    )
    await tx.many(
        "INSERT INTO installations (meter_id, meter_point_id, from_at)"
        " VALUES (?, ?, 0)",
        [(number, point)],
    )
    await tx.many(
        "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
        " initial_value, initial_at, enrolment_hash, mode, bits)"
        " VALUES (?, ?, ?, ?, ?, 1000, ?, ?, ?, ?)",
        [
            (
                number,
                number,
                register,
                step,
                CAPACITY_W,
                BEGIN,
                meter * 2,
                mode,
                16 * mode,
            )
        ],
    )
    return Home(register_id=number, meter=meter, member_id=member)


async def certify(
    tx: Transaction, point: int, capacity_w: int = CAPACITY_W, from_at: int = BEGIN
) -> None:
    """Certify whoever holds a meter point, as an operator does."""
    await grant(tx, Grant(point, capacity_w, from_at), "test", now=BEGIN)


async def declare(tx: Transaction, member: int, monthly_wh: int) -> None:
    """Let a member say what he makes a month: a tenth of it is his to promise at first."""
    await standing.declare(tx, member, monthly_wh, now=BEGIN)


async def fund(tx: Transaction, member: int, micro: int, *, now: int) -> None:
    """Pay money in for a member, as an operator records it."""
    ((entries,),) = await tx.rows("SELECT count(*) FROM ledger_transfers")
    (result,) = await ledger.post(
        tx,
        [
            Transfer(
                id=transfer_id("test-deposit", entries),
                amount=micro,
                debit=CASH,
                credit=user(member),
                purpose="deposit",
                asset=XTS,
                effective_at=now,
            )
        ],
        now=now,
    )
    assert result.refusal is None, result


async def account(tx: Transaction, code: AccountCode) -> Account | None:
    """Return an account of money as it stands, None where nobody named it yet."""
    return (await ledger.balances(tx, XTS, [code])).get(code)


async def balance(tx: Transaction, member: int) -> int:
    """Return what a member may spend: holds are taken off."""
    found = await account(tx, user(member))
    return found.held if found else 0


async def set_parameter(tx: Transaction, name: Name, value: Value, at: int = 0) -> None:
    """Let a parameter of the network hold from a second on."""
    await record(tx, Change(name, value, at, BEGIN, "test"))
