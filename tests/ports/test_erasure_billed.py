"""A billed member who moved out is erased: his bills stay, his words and salts do not."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Act, BillAct, BillRow
from meterseal_aggregator.billing.statements import audit as bills_audit
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.billing.statements.affected import correct_now
from meterseal_aggregator.billing.statements.correct import Why as Reason
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.erasure.duty import run_once
from meterseal_aggregator.erasure.erase import By, ask, confirm
from meterseal_aggregator.erasure.model import RETENTION_S, NotErased, Why
from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, arrears, user
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import days, recount
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.values import place_of
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.units import IMPORT
from meterseal_proto.verify import examine, zone_clock
from tests.support.billinghouse import DAY, EUR, HOUR, MAY, STEP, Home
from tests.support.enrolling import GENESIS
from tests.support.sealedhouse import NOW, SealedHouse, a_sealed_house

BY = By("token:op", GENESIS.network, NOW + 2 * HOUR, NOW + 2 * HOUR)
WORDS = ("her sister told us", "a photo of Ada's meter")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SealedHouse]:
    async with a_sealed_house(tmp_path) as opened:
        await corrected(opened)
        yield opened


async def corrected(house: SealedHouse) -> None:
    """Edit a slot of Ada's, correct her bill, and note in words why."""
    home, database = house.homes["ada"], house.utility.database
    async with database.transaction() as tx:
        ((meter,),) = await tx.rows(
            "SELECT m.meter FROM registers r JOIN meters m ON m.id = r.meter_id"
            " WHERE r.id = ?",
            (home.registers[IMPORT],),
        )
        place = await place_of(tx, meter, IMPORT)
        wish = EditWish(place, MAY, MAY + STEP, 9, WORDS[1], "token:op", "key-1")
        await edit(tx, GENESIS.network, wish, now=NOW)
    while await days.run_once(database, NOW + 10):
        pass
    async with database.transaction() as tx:
        moment = Moment.of(GENESIS.network, NOW + HOUR)
        await correct_now(tx, "2026-00000001", moment, Reason("token:op", WORDS[0]))
    await house.sequence()


async def pay(tx: Transaction, home: Home, bill: BillRow) -> None:
    """Pay a bill in cash: in, and on to what is owed."""
    for n, (debit, credit) in enumerate(
        ((CASH, user(home.member)), (user(home.member), arrears(home.member)))
    ):
        entry = Transfer(
            id=TransferId(bytes((n + 1,)) * 32), amount=bill.amount, debit=debit,
            credit=credit, purpose="pay", asset=EUR, effective_at=NOW,
        )  # fmt: skip
        (result,) = await ledger.post(tx, [entry], now=NOW)
        assert result.entered, result
    await bills.act(tx, [BillAct(bill.id, Act.PAID, bill.amount, NOW, "test")])


async def erase(house: SealedHouse) -> None:
    home = house.homes["ada"]
    async with house.utility.database.transaction() as tx:
        with pytest.raises(NotErased, match="bills are not paid"):
            await ask(tx, home.member, Why.MOVED_OUT, BY)
        *_, new = await bills.bills(tx, limit=10, member=home.member)
        await pay(tx, home, new)
        await tx.many(
            "UPDATE tenancies SET to_at = ? WHERE member_id = ? AND to_at IS NULL",
            [(NOW, home.member)],
        )
        _, code = await ask(tx, home.member, Why.MOVED_OUT, BY)
        await confirm(tx, home.member, code, BY)
    assert (
        await run_once(house.utility.database, GENESIS.network, NOW + DAY, NOW + DAY)
        == 1
    )


def everything(folder: Path) -> bytes:
    """Return every byte of the database and its log."""
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


async def test_his_words_and_salts_go_and_his_bills_stay_as_they_were(
    house: SealedHouse, tmp_path: Path
) -> None:
    database = house.utility.database
    async with database.reading() as tx:
        before = await tx.rows("SELECT number, document, hash, salt FROM bills")
        salts = [
            row[0]
            for row in await tx.rows(
                "SELECT salt FROM salts WHERE register_id = 1 AND start >= ?"
                " UNION ALL SELECT salt FROM vee_edits",
                (MAY,),
            )
        ]
    assert len(salts) == 12 * 96 + 1
    assert all(word.encode() in everything(tmp_path) for word in WORDS)
    await erase(house)
    whole = everything(tmp_path)
    assert [word for word in WORDS if word.encode() in whole] == []
    assert sum(salt in whole for salt in salts) == 0
    async with database.reading() as tx:
        assert await tx.rows("SELECT number, document, hash, salt FROM bills") == before


async def test_every_audit_and_every_neighbours_evidence_still_holds(
    house: SealedHouse,
) -> None:
    await erase(house)
    async with house.utility.database.reading() as tx:
        found = [
            *await intake_check.findings(tx, GENESIS),
            *await ledger_check.findings(tx),
            *await bills_audit.findings(tx),
            *await recount.findings(tx),
        ]
    assert [one.detail for one in found if not one.ok] == []
    answer = await house.ask("GET", "/v1/bills/2026-00000002/evidence.zip", "ben")
    known = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
    verdicts = {one.verdict for one in examine(answer.content, known)}
    assert Verdict.FAIL not in verdicts


async def test_bills_lose_their_salts_once_they_need_not_be_kept(
    house: SealedHouse,
) -> None:
    await erase(house)
    database, late = house.utility.database, NOW + RETENTION_S + DAY
    assert await run_once(database, GENESIS.network, NOW + DAY, NOW) == 0
    assert await run_once(database, GENESIS.network, late, late) == 3
    assert await run_once(database, GENESIS.network, late, late) == 0
    async with database.reading() as tx:
        rows = await tx.rows("SELECT member_id FROM bills WHERE salt IS NOT NULL")
    assert rows == [(house.homes["ben"].member,)]


async def test_notes_of_what_was_done_to_a_bill_never_change_otherwise(
    house: SealedHouse,
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        async with house.utility.database.transaction() as tx:
            await tx.rows("UPDATE bill_acts SET note = ''")
