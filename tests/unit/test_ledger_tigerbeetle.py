"""TigerBeetle's own state machine tables, run against our ledger row by row.

A row passes, or stands in `OUT` or `POLICY` with the reason why we decide otherwise. A row
that is neither fails, and so does one that is excused but not there.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from meterseal_aggregator.ledger.model import Refusal
from tests.support.data import shared_data
from tests.support.migrated import open_migrated
from tests.support.tigerbeetle import POLICY, RESULTS, Machine, Queries, transfer_of

ON_DEMAND = "accounts open on demand from the chart; none is created by request"
NO_IMPORT = "no import of other ledgers' time; effective_at is ours"
FILTER = (
    "a page is chosen by account, side and place; what entries say is filtered in SQL"
)

# Rows out of scope: table -> (first row, last row, why); rows count from 1.
OUT: dict[str, tuple[tuple[int, int, str], ...]] = {
    "create_accounts": ((1, 27, ON_DEMAND),),
    "linked accounts": ((1, 27, ON_DEMAND),),
    "linked_event_chain_open": ((1, 14, ON_DEMAND),),
    "linked_event_chain_open for a batch of 1": ((1, 4, ON_DEMAND),),
    "imported events: imported batch": ((1, 15, NO_IMPORT),),
    "imported events: pending transfers": ((1, 20, NO_IMPORT),),
    "create_accounts: closed accounts": (
        (1, 5, "an account that opens on demand opens open; an entry freezes it"),
    ),
    "get_account_transfers: single-phase": ((53, 87, FILTER),),
    "get_account_transfers: invalid filter": (
        (10, 12, "a side is an enum, so that none is wanted cannot be said"),
        (16, 18, "a page of no entries is refused (ValueError), not answered empty"),
        (19, 23, FILTER),
    ),
    "query_accounts": (
        (1, 128, "no user data on accounts; their names are the chart's"),
    ),
}
PASSING = 392
"""Rows that pass, comments among them."""
QUERIES = (
    "get_account_transfers: single-phase",
    "get_account_transfers: invalid filter",
    "get_account_balances: two-phase",
)
"""Tables that ask the store; the others ask the rule."""


def _tables() -> Iterator[tuple[str, list[str]]]:
    path = shared_data("ledger", "tigerbeetle_tables.json")
    for table in json.loads(path.read_text()):
        yield f"{table['test']}", table["lines"]


def _why_not(table: str, row: int, line: str) -> str:
    """Return why a row is not run, or nothing: then it must pass."""
    for first, last, why in OUT.get(table, ()):
        if first <= row <= last:
            return why
    words = line.split("//", maxsplit=1)[0].split()
    return POLICY.get(words[-1], "") if words and words[0] == "transfer" else ""


def _rows() -> list[tuple[str, int, str, str]]:
    return [
        (table, row, line, _why_not(table, row, line))
        for table, lines in _tables()
        for row, line in enumerate(lines, 1)
    ]


def test_every_row_in_scope_of_the_rule_passes() -> None:
    machines: dict[str, Machine] = {}
    for table, row, line, why in _rows():
        if not why and table not in QUERIES:
            try:
                machines.setdefault(table, Machine()).run(line)
            except AssertionError as error:
                raise AssertionError(f"{table}, row {row}: {line}") from error
    assert len(machines) == 10
    assert not any(machine.batch or machine.events for machine in machines.values())


async def test_every_row_in_scope_of_histories_passes(tmp_path: Path) -> None:
    for number, name in enumerate(QUERIES):
        database = await open_migrated(tmp_path / f"{number}.sqlite")
        async with database.transaction() as tx:
            machine = Queries(tx)
            for table, row, line, why in _rows():
                if table != name or why:
                    continue
                try:
                    await machine.run(line)
                except AssertionError as error:
                    raise AssertionError(f"{table}, row {row}: {line}") from error
            assert machine.found == []
        await database.close()


def test_every_row_passes_or_says_why_it_is_out_of_scope() -> None:
    rows = _rows()
    excused = Counter(why for _, _, _, why in rows if why)
    reasons = {why for parts in OUT.values() for _, _, why in parts}
    assert excused.keys() == reasons | set(POLICY.values())
    assert len(rows) - excused.total() == PASSING
    known = RESULTS.keys() | {"created", "exists"}
    for table, row, line, why in rows:
        if line.startswith("transfer ") and not why:
            result = line.split("//")[0].split()[-1]
            assert result in known, (table, row)
    lengths = {table: len(lines) for table, lines in _tables()}
    for table, parts in OUT.items():
        assert all(first <= last <= lengths[table] for first, last, _ in parts)


def test_a_balancing_retry_may_ask_for_more_but_not_for_less() -> None:
    machine = Machine()
    machine.run("account A1 0 0 0 0 _ _ _ _ L1 C1 _ D<C _ _ _ _ _ _ created")
    machine.run("account A2 0 0 0 0 _ _ _ _ L1 C1 _ _ _ _ _ _ _ _ created")
    machine.setup(["A1", "0", "0", "0", "4"])
    line = "T1 A1 A2 10 _ _ _ _ _ L1 C1 _ _ _ _ BDR _ _ _ _ _ _"
    wish = transfer_of(line.split())
    (first,) = machine.post([wish])
    again, more, less = machine.post(
        [wish, replace(wish, amount=11), replace(wish, amount=3)]
    )
    assert (first.amount, again.amount, again.duplicate) == (4, 4, True)
    assert more.duplicate
    assert (less.refusal, less.field) == (Refusal.ID_TAKEN, "amount")
