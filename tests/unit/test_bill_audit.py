"""The audit of bills finds what anybody could change behind the rooms' backs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.statements import audit
from meterseal_aggregator.billing.statements.duty import Biller
from meterseal_aggregator.billing.statements.workers import rating_processes
from meterseal_aggregator.billing.statements.write import sealed
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.statement_json import read_statement, write_statement
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    HOUR,
    JUNE,
    MAY,
    NETWORK,
    Utility,
    a_tariff,
    a_utility,
    at,
)
from tests.support.nettingstreet import a_street

NOW = JUNE + 6 * HOUR
CHANGES: list[tuple[str, str]] = [
    ("UPDATE bills SET amount = amount + 10000 WHERE id = 2", "what its document says"),
    ("UPDATE bills SET salt = zeroblob(16) WHERE id = 1", "another hash"),
    ("UPDATE bills SET hash = randomblob(32), salt = NULL WHERE id = 1", "in the log"),
    ("UPDATE bills SET number = '2026-00000009' WHERE id = 4", "its document says"),
    ("UPDATE bills SET document = substr(document, 2)", "not a statement"),
    ("UPDATE bill_standings SET paid = 5 WHERE bill_id = 2", "where its acts lead"),
    ("UPDATE bill_standings SET state = 'paid' WHERE bill_id = 2", "its acts lead"),
    ("UPDATE bill_standings SET state = 'issued' WHERE bill_id = 1", "acts lead"),
    ("DELETE FROM bill_standings WHERE bill_id = 2", "stands nowhere"),
    ("DELETE FROM bill_acts WHERE act = 'corrected'", "where its acts lead"),
    (("INSERT INTO bill_acts (bill_id, act, amount, at, actor, note)"
     " VALUES (2, 'issued', 1, 1, 'x', '')"), "issued once"),
    (("UPDATE ledger_transfers SET amount = amount + 1"
     " WHERE purpose = 'bill' AND seq = (SELECT max(seq) FROM ledger_transfers)"),
     "in the ledger as its lines say"),
    (("UPDATE ledger_transfers SET purpose = 'other'"
     " WHERE seq = (SELECT max(seq) FROM ledger_transfers)"), "entries"),
]  # fmt: skip


@asynccontextmanager
async def a_billed_utility(folder: Path) -> AsyncIterator[Utility]:
    """Two homes billed for May, and the first one's bill taken back for another."""
    async with a_utility(folder, a_tariff(ENERGY)) as utility:
        for name in ("Ada", "Ben"):
            await utility.use(await utility.supply(name), MAY, JUNE)
        await utility.bill(now=NOW)
        await utility.tell_day(1, at(2026, 5, 10), 999, known_at=NOW)
        await utility.correct(now=NOW + DAY)
        yield utility


async def test_bills_as_they_were_issued_and_corrected_are_well(
    tmp_path: Path,
) -> None:
    async with a_billed_utility(tmp_path) as utility, utility.database.reading() as tx:
        found = await audit.findings(tx)
    assert [(one.invariant, one.ok) for one in found] == [(19, True), (22, True)]
    assert "4 bills and credit notes" in found[0].detail


@pytest.mark.parametrize(("change", "told"), CHANGES)
async def test_what_was_changed_is_found_and_named(
    tmp_path: Path, change: str, told: str
) -> None:
    async with a_billed_utility(tmp_path) as utility:
        with pytest.raises(_Done):
            async with utility.database.transaction() as tx:
                await _without_triggers(tx)
                await tx.rows(change)
                found = await audit.findings(tx)
                assert not found[0].ok
                assert told in found[0].detail
                raise _Done


async def test_a_credit_note_that_takes_back_other_lines_of_the_same_sum_is_found(
    tmp_path: Path,
) -> None:
    async with a_billed_utility(tmp_path) as utility:
        (note,) = [one for one in await utility.bills() if one.corrects]
        told = read_statement(note.document)
        (segment,) = told.segments
        first, second, *rest = segment.lines
        lines = (
            replace(first, amount=first.amount + 1),
            replace(second, amount=second.amount - 1),
            *rest,
        )
        other = replace(told, segments=(replace(segment, lines=lines),))
        document = write_statement(other)
        salt, digest = sealed(document)
        with pytest.raises(_Done):
            async with utility.database.transaction() as tx:
                await _without_triggers(tx)
                await tx.rows(
                    "UPDATE bills SET document = ?, salt = ?, hash = ? WHERE id = ?",
                    (document, salt, digest, note.id),
                )
                await tx.rows(
                    "UPDATE log_entries SET body = ? WHERE id = ?",
                    (bill_hash_entry(digest), note.log_entry),
                )
                found = await audit.findings(tx)
                assert not found[0].ok
                assert "taken back" in found[0].detail
                raise _Done


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE retirements SET holder = 'buyer:99'",
        "UPDATE retirements SET beneficiary = '99'",
        "UPDATE retirements SET wh = wh + 1",
        "DELETE FROM retirements",
        "DELETE FROM netted_slots",
    ],
)
async def test_what_is_netted_and_not_retired_for_its_member_is_found(
    tmp_path: Path, change: str
) -> None:
    async with a_street(tmp_path) as street:
        await street.world.sell(street.ada, 0, 500)
        await street.world.tell(500)
        await street.world.run()
        await street.used(300)
        await street.bill()
        with pytest.raises(_Done):
            async with street.world.database.transaction() as tx:
                await _without_triggers(tx)
                await tx.rows(change)
                assert [one.ok for one in await audit.findings(tx)] == [True, False]
                raise _Done


async def _without_triggers(tx: Transaction) -> None:
    for (trigger,) in await tx.rows(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ):
        await tx.rows(f"DROP TRIGGER {trigger}")


class _Done(Exception):
    """Take the change back: the house checks its books when it closes."""


async def test_workers_rate_what_this_process_would_and_batches_do_not_meet(
    tmp_path: Path,
) -> None:
    async with a_utility(tmp_path) as utility:
        for n in range(9):
            await utility.use(await utility.supply(f"home {n}"), MAY, JUNE, 10 * n)
        await utility.supply("nobody's usage")
        async with rating_processes(2) as rater:
            biller = Biller(utility.database, NETWORK, rater)
            await asyncio.gather(
                *(until_idle(lambda: biller.run_once(NOW, 2)) for _ in range(2))
            )
        bills = await utility.bills()
        assert len({one.supply for one in bills}) == len(bills) == 9
        assert [one[1] for one in await utility.waits()] == ["usage-incomplete"]
        assert biller.flying == set()
    with pytest.raises(ValueError, match="workers"):
        async with rating_processes(0):
            pass
