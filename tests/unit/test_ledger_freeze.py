"""A dispute freezes an account or one hold: nothing touches it until the dispute ends."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.freeze import freeze_account, freeze_hold, thaw
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    AtMost,
    Freeze,
    Phase,
    Refusal,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

MEASURED = AccountCode("meter:00ff:measured")
PRODUCER = AccountCode("producer:7")
ESCROW = AccountCode("escrow:1")
OTHER = AccountCode("escrow:2")
NOW = 1_800_000_000
DISPUTE = b"dispute 1"


def _id(number: int) -> TransferId:
    return TransferId(number.to_bytes(32))


MINT = Transfer(_id(1), 100, MEASURED, PRODUCER, "mint", NOW)
HOLD = Transfer(
    _id(2), 60, PRODUCER, ESCROW, "trade", NOW, phase=Phase.HOLD, timeout_s=600
)
OTHER_HOLD = replace(HOLD, id=_id(3), amount=10, credit=OTHER)
POST = Transfer(_id(4), 45, phase=Phase.POST, pending_id=HOLD.id)
VOID = Transfer(_id(5), 0, phase=Phase.VOID, pending_id=HOLD.id)
OTHER_VOID = Transfer(_id(6), 0, phase=Phase.VOID, pending_id=OTHER_HOLD.id)
FREEZE = freeze_hold(_id(10), HOLD.id, why="dispute", reference=DISPUTE)
STOP = freeze_account(_id(11), WH, ESCROW, why="dispute", reference=DISPUTE)

COPY = """
INSERT INTO ledger_transfers (seq, id, phase, at_most, linked, debit_id, credit_id,
  amount, pending_id, timeout_s, purpose, reference, effective_at, recorded_at, hash)
SELECT 99, randomblob(32), ?, 0, 0, debit_id, credit_id, amount, ?, 0, purpose,
  reference, effective_at, recorded_at, hash
FROM ledger_transfers WHERE id = ?
"""
"""A program that knows no freezes writes an entry like one there is."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aggregator.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(path)
    async with opened.transaction() as tx:
        found = await store.post(tx, [MINT, HOLD, OTHER_HOLD], now=NOW)
        assert all(one.entered for one in found)
    yield opened
    await opened.close()


async def _post(
    database: Database, *batch: Transfer, now: int = NOW + 1
) -> list[Result]:
    async with database.transaction() as tx:
        return await store.post(tx, batch, now=now)


async def _expired(database: Database, now: int) -> int:
    async with database.transaction() as tx:
        return len(await store.expire(tx, now=now))


async def _complaints(database: Database) -> list[str]:
    async with database.reading() as tx:
        return [f.detail for f in await check.findings(tx) if not f.ok]


def _why(found: list[Result]) -> list[tuple[Refusal | None, str]]:
    return [(one.refusal, one.field) for one in found]


async def test_a_frozen_hold_is_neither_posted_nor_voided_and_others_go_on(
    database: Database,
) -> None:
    assert (await _post(database, FREEZE))[0].entered
    found = await _post(database, POST, VOID, OTHER_VOID)
    frozen = (Refusal.FROZEN, "pending_id")
    assert _why(found) == [frozen, frozen, (None, "")]
    assert await _complaints(database) == []


async def test_every_transfer_that_touches_a_frozen_account_is_refused_by_name(
    database: Database,
) -> None:
    await _post(database, STOP)
    into = replace(MINT, id=_id(20), debit=PRODUCER, credit=ESCROW, amount=0)
    out = replace(into, id=_id(21), debit=ESCROW, credit=PRODUCER)
    taken = replace(out, id=_id(22), at_most=AtMost.BOTH, amount=9)
    held = replace(HOLD, id=_id(23), amount=0)
    found = await _post(database, into, out, taken, held, POST, VOID)
    credit, debit = (Refusal.FROZEN, "credit"), (Refusal.FROZEN, "debit")
    assert _why(found) == [credit, debit, debit, credit, credit, credit]
    assert (await _post(database, OTHER_VOID))[0].entered


async def test_the_expiry_of_a_frozen_hold_waits_and_the_decision_comes_first(
    database: Database,
) -> None:
    late = NOW + 10_000
    for freeze, number in ((FREEZE, 30), (STOP, 31)):
        await _post(database, freeze)
        assert await _expired(database, late) == (1 if freeze is FREEZE else 0)
        lifted = thaw(_id(number), freeze.id)
        (ended,) = await _post(database, lifted, now=late)
        assert ended.entered
        assert await _expired(database, late) == 0
    (decided,) = await _post(database, POST, now=late)
    assert (decided.entered, decided.amount) == (True, 45)
    assert await _complaints(database) == []


async def test_a_second_after_the_thaw_the_hold_expires(database: Database) -> None:
    await _post(database, STOP)
    await _post(database, thaw(_id(30), STOP.id), now=NOW + 900)
    (late,) = await _post(database, POST, now=NOW + 901)
    assert late.refusal is Refusal.ALREADY_EXPIRED
    assert await _expired(database, NOW + 901) == 2


async def test_a_decision_lifts_the_freeze_and_posts_in_one_chain(
    database: Database,
) -> None:
    await _post(database, FREEZE)
    chain = [replace(thaw(_id(30), FREEZE.id), linked=True), POST]
    failing = [chain[0], replace(POST, amount=61)]
    assert not any(one.entered for one in await _post(database, *failing))
    assert (await _post(database, VOID))[0].refusal is Refusal.FROZEN
    found = await _post(database, *chain, now=NOW + 5_000)
    assert [one.entered for one in found] == [True, True]
    assert await _complaints(database) == []


async def test_the_last_of_two_disputes_to_end_opens_the_account(
    database: Database,
) -> None:
    second = replace(STOP, id=_id(12), reference=b"dispute 2", freezes=Freeze.BOTH)
    await _post(database, STOP, second, thaw(_id(30), STOP.id))
    assert (await _post(database, POST))[0].refusal is Refusal.FROZEN
    await _post(database, thaw(_id(31), second.id))
    assert (await _post(database, POST))[0].entered
    assert await _complaints(database) == []


async def test_a_batch_may_thaw_move_and_freeze_again(database: Database) -> None:
    await _post(database, STOP)
    again = replace(STOP, id=_id(12))
    found = await _post(database, thaw(_id(30), STOP.id), POST, again)
    assert all(one.entered for one in found)
    into = replace(MINT, id=_id(20), debit=PRODUCER, credit=ESCROW)
    assert (await _post(database, into))[0].refusal is Refusal.FROZEN
    assert await _complaints(database) == []


async def test_a_freeze_said_again_is_the_same_freeze(database: Database) -> None:
    for freeze in (FREEZE, STOP):
        first, again = await _post(database, freeze, freeze)
        assert (first.duplicate, again.duplicate) == (False, True)
        (other,) = await _post(database, replace(freeze, reference=b"other"))
        assert (other.refusal, other.field) == (Refusal.ID_TAKEN, "reference")
    await _post(database, thaw(_id(30), FREEZE.id), thaw(_id(31), STOP.id))
    assert (await _post(database, thaw(_id(30), FREEZE.id)))[0].duplicate
    (twice,) = await _post(database, thaw(_id(32), STOP.id))
    assert twice.refusal is Refusal.ALREADY_VOIDED
    assert (await _post(database, POST))[0].entered


async def test_a_freeze_with_an_end_of_its_own_expires_though_all_is_frozen(
    database: Database,
) -> None:
    await _post(database, replace(STOP, timeout_s=50), now=NOW)
    assert await _expired(database, NOW + 49) == 0
    assert await _expired(database, NOW + 50) == 1
    assert (await _post(database, POST, now=NOW + 51))[0].entered


async def test_what_cannot_be_frozen_is_refused_with_its_reason(
    database: Database,
) -> None:
    cases = (
        (replace(STOP, amount=1), Refusal.MALFORMED, "amount"),
        (replace(STOP, phase=Phase.DIRECT), Refusal.MALFORMED, "freezes"),
        (replace(STOP, at_most=AtMost.DEBIT), Refusal.MALFORMED, "at_most"),
        (replace(STOP, purpose=""), Refusal.MALFORMED, "purpose"),
        (replace(STOP, pending_id=HOLD.id), Refusal.MALFORMED, "pending_id"),
        (replace(FREEZE, pending_id=TransferId(b"")), Refusal.MALFORMED, "pending_id"),
        (replace(STOP, debit=AccountCode("x")), Refusal.ACCOUNT_UNKNOWN, "debit"),
        (replace(FREEZE, pending_id=_id(99)), Refusal.PENDING_NOT_FOUND, ""),
        (replace(FREEZE, pending_id=MINT.id), Refusal.PENDING_NO_HOLD, ""),
        (replace(FREEZE, debit=ESCROW), Refusal.PENDING_DIFFERS, "debit"),
        (replace(FREEZE, pending_id=_id(12)), Refusal.PENDING_DIFFERS, "freezes"),
        (
            Transfer(_id(13), 0, phase=Phase.POST, pending_id=_id(12)),
            Refusal.PENDING_DIFFERS,
            "freezes",
        ),
    )
    standing = replace(STOP, id=_id(12), debit=OTHER)
    assert (await _post(database, standing))[0].entered
    for wish, refusal, field in cases:
        (found,) = await _post(database, wish)
        assert (found.refusal, found.field) == (refusal, field)
    await _post(database, POST)
    (over,) = await _post(database, FREEZE)
    assert over.refusal is Refusal.ALREADY_POSTED


async def test_the_schema_holds_what_is_frozen_against_any_program(
    database: Database, path: Path
) -> None:
    await _post(database, FREEZE, replace(STOP, debit=OTHER))
    raw = sqlite3.connect(path)
    for forbidden in (
        "UPDATE ledger_frozen_accounts SET frozen = 5",
        "UPDATE ledger_frozen_holds SET frozen = 5",
        "DELETE FROM ledger_frozen_accounts",
        "DELETE FROM ledger_frozen_holds",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(forbidden)
    for copied, phase, pending in (
        (HOLD.id, 2, HOLD.id),
        (HOLD.id, 4, HOLD.id),
        (OTHER_HOLD.id, 3, OTHER_HOLD.id),
        (OTHER_HOLD.id, 0, None),
        (FREEZE.id, 2, FREEZE.id),
    ):
        with pytest.raises(sqlite3.IntegrityError, match="what is frozen"):
            raw.execute(COPY, (phase, pending, copied))
    raw.close()


async def test_the_audit_names_a_freeze_that_was_taken_away(
    database: Database, path: Path
) -> None:
    await _post(database, FREEZE, STOP)
    assert await _complaints(database) == []
    for statement, complaint in (
        (
            "UPDATE ledger_frozen_holds SET frozen = frozen - 1",
            "frozen holds are not those",
        ),
        (
            "UPDATE ledger_frozen_accounts SET frozen = frozen - 1",
            "account escrow:1 (wh) is not frozen",
        ),
    ):
        raw = sqlite3.connect(path)
        raw.execute(statement)
        raw.commit()
        raw.close()
        assert any(complaint in one for one in await _complaints(database))


@pytest.mark.parametrize(
    "code", ["producer:7", "chain:energy", "chain:leaving", "user:7", "cash", "buyer:7"]
)
def test_no_dispute_stops_what_others_must_always_reach(code: str) -> None:
    """A deposit to a frozen producer once stopped whoever followed the chain, for everybody."""
    with pytest.raises(ValueError, match="own hold or escrow"):
        freeze_account(
            _id(1), WH, AccountCode(code), why="dispute", reference=b"dispute 9"
        )


async def test_a_thousand_freezes_cost_as_many_statements_as_ten(
    database: Database,
) -> None:
    async def statements(first: int, count: int) -> int:
        numbers = range(first, first + 5 * count, 5)
        codes = [AccountCode(f"escrow:{n}") for n in numbers]
        holds = [
            replace(HOLD, id=_id(n), amount=0, credit=code)
            for n, code in zip(numbers, codes, strict=True)
        ]
        begun = [
            wish
            for n, code in zip(numbers, codes, strict=True)
            for wish in (
                freeze_hold(_id(n + 1), _id(n), why="dispute", reference=b""),
                freeze_account(_id(n + 2), WH, code, why="dispute", reference=b""),
            )
        ]
        ended = [thaw(_id(n + 3), _id(n + 1)) for n in numbers]
        batch = [*holds, *begun, *ended]
        async with database.transaction() as tx:
            found = await store.post(tx, batch, now=NOW)
            assert all(one.entered for one in found)
            return tx.statements

    assert (await statements(100, 10), await statements(10_000, 1_000)) == (5, 5)
    assert await _complaints(database) == []
