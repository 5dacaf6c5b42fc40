"""Laws of the ledger on disk: it does what the rule does, and tells any moment of it.

Each was seen to fail: with a hold left out of the past, a post counted whole, a time
compared the wrong way, a freeze the schema forgot to end.
"""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings

from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.asof import balance_as_of, history
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.book import AccountKey
from meterseal_aggregator.ledger.model import (
    RESOLVING,
    WH,
    Account,
    AccountCode,
    Entry,
    Phase,
    Transfer,
)
from meterseal_aggregator.storage.database import Transaction
from tests.support.ledgers import BATCHES, CODES, MONEY_CODES, XTS, Ledger, funded
from tests.support.migrated import open_migrated

ASSETS = ((WH, CODES), (XTS, MONEY_CODES))
Moment = dict[str, int]


async def _posted(tx: Transaction, batches: list[tuple[int, list[Transfer]]]) -> Ledger:
    """Post to disk and in memory alike; both must answer the same."""
    await declare(tx, XTS, now=0)
    ledger = funded()
    first = [entry.transfer for entry in ledger.entries.values()]
    assert all(one.entered for one in await store.post(tx, first, now=ledger.now))
    for step, batch in batches:
        ledger.now += step
        answer = await store.post(tx, batch, now=ledger.now)
        assert answer == ledger.post(batch)
    return ledger


async def _told(tx: Transaction, moment: Moment) -> dict[AccountKey, Account]:
    found: dict[AccountKey, Account] = {}
    for asset, codes in ASSETS:
        accounts = await balance_as_of(tx, asset, codes, **moment)
        found.update(((asset, code), account) for code, account in accounts.items())
    return found


def _prefix(ledger: Ledger, length: int) -> dict[AccountKey, Account]:
    """Return the balances after so many entries: those of a replay of them."""
    part = Ledger(entries=dict(list(ledger.entries.items())[:length]))
    replay = part.replayed()
    accounts = replay.accounts.items()
    totals = {key: replace(a, frozen=0, thawed_at=0) for key, a in accounts}
    return {key: a for key, a in totals.items() if key[1] != "disputes"}


def _counted(ledger: Ledger, at: int) -> dict[AccountKey, tuple[int, int, int, int]]:
    """Return the totals of what counts by `at`, summed one by one from the entries."""
    entries = ledger.entries
    counts = [e for e in entries.values() if e.transfer.effective_at <= at]
    totals: dict[AccountKey, list[int]] = {}
    for entry in counts:
        t = entry.transfer
        pending = t.amount if t.phase is Phase.HOLD else 0
        if t.phase in RESOLVING and entries[t.pending_id] in counts:
            pending = -entries[t.pending_id].transfer.amount
        posted = t.amount if t.phase in (Phase.DIRECT, Phase.POST) else 0
        for code, side in ((t.debit, 0), (t.credit, 2)):
            total = totals.setdefault((t.asset, code), [0, 0, 0, 0])
            total[side] += pending
            total[side + 1] += posted
    return {
        key: (t[0], t[1], t[2], t[3])
        for key, t in totals.items()
        if key[1] != "disputes"
    }


def _totals(account: Account) -> tuple[int, int, int, int]:
    return (
        account.debits_pending,
        account.debits_posted,
        account.credits_pending,
        account.credits_posted,
    )


async def _any_moment(batches: list[tuple[int, list[Transfer]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_migrated(Path(folder) / "ledger.sqlite")
        async with database.transaction() as tx:
            ledger = await _posted(tx, batches)
            entries = list(ledger.entries.values())
            for seq in range(len(entries) + 1):
                assert await _told(tx, {"seq": seq}) == _prefix(ledger, seq)
            for at in {entry.recorded_at for entry in entries}:
                known = sum(entry.recorded_at <= at for entry in entries)
                assert await _told(tx, {"recorded_at": at}) == _prefix(ledger, known)
            for at in {entry.transfer.effective_at for entry in entries}:
                told = await _told(tx, {"effective_at": at})
                counted = _counted(ledger, at)
                assert {key: _totals(a) for key, a in told.items()} == counted
            await _histories(tx, entries)
            assert all(finding.ok for finding in await check.findings(tx))
        await database.close()


async def _histories(tx: Transaction, entries: list[Entry]) -> None:
    for asset, codes in ASSETS:
        for code in codes:
            mine = [
                (seq, entry)
                for seq, entry in enumerate(entries, 1)
                if entry.transfer.asset == asset
                and AccountCode(code) in (entry.transfer.debit, entry.transfer.credit)
            ]
            assert await history(tx, asset, code) == mine


@given(BATCHES)
@settings(max_examples=40, deadline=None)
def test_the_disk_does_what_the_rule_does_and_tells_any_moment_of_it(
    batches: list[tuple[int, list[Transfer]]],
) -> None:
    asyncio.run(_any_moment(batches))
