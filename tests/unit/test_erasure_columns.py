"""Every column that could hold a text of somebody's is known to erasure, or says why not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

ERASED = frozenset(
    [
        "members.name",
        "tokens.label",
        "notices.error",
        "member_events.body",
        "notice_addresses.address",
        "notice_addresses.secret",
        "notice_addresses.kinds",
        "notice_addresses.way",
        "notice_languages.language",
        "member_events.kind",
        "meter_documents.sha256",
        "meter_documents.verdict",
        "meter_documents.source",
        "wallets.principal",
        "wallets.nonce",
        "wallets.signature",
        "wallet_challenges.principal",
        "wallet_challenges.nonce",
        "disputes.reason",
        "disputes.evidence",
        "dispute_decisions.reason",
        "dispute_decisions.salt",
        "certification_acts.reason",
        "meter_points.name",
        "salts.salt",
        "vee_edits.salt",
        "vee_values.reason",
        "telemetry.payload",
        "telemetry.meter",
        "backups.backup",
        "quarantine.payload",
        "quarantine.detail",
        "bills.salt",
    ]
)
"""What the erasing transaction takes, or what leaves with its row."""
STATUTORY = frozenset(
    [
        "payments.reference",
        "bills.document",
        "private_bills.amount",
        "bill_payments.wish",
    ]
)
"""Books that are kept by law, for operators alone; they name a number, a receipt a payment."""
FREE = (
    "reason",
    "label",
    "address",
    "name",
    "text",
    "title",
    "comment",
    "note",
    "email",
    "phone",
)
"""Names under which a person's own words, or a person, may stand."""
KNOWN_FREE = frozenset(
    [
        "parameters.name",
        "parameters.text",
        "cosignatures.name",
        "deposits.name",
        "job_leases.name",
        "migrations.name",
        "checkpoints.note",
        "bill_acts.note",
        "chain_tries.name",
        "receivable_marks.name",
        "notice_cursors.name",
    ]
)
"""Such names that nobody's words stand under: terms of the network, witnesses, programs."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "columns.sqlite")
    yield opened
    await opened.close()


async def columns(database: Database) -> list[str]:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT t.name || '.' || c.name FROM sqlite_master t"
            " JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
            " AND c.type IN ('TEXT', 'BLOB') ORDER BY 1"
        )
    return [row[0] for row in rows]


async def test_what_is_erased_is_a_column_that_there_is(database: Database) -> None:
    assert (ERASED | STATUTORY) - set(await columns(database)) == set()


async def test_no_column_for_somebodys_words_is_forgotten(database: Database) -> None:
    found = await columns(database)
    free = {one for one in found if one.split(".")[1] in FREE}
    assert free - ERASED - STATUTORY - KNOWN_FREE == set(), (
        "erase it in erasure/erase.py, or say here that nobody's words stand there"
    )


async def test_every_salt_is_erased_or_is_of_no_member(database: Database) -> None:
    found = {one for one in await columns(database) if "salt" in one.split(".")[1]}
    # A clearing's salt is of all of a slot's orders, which name nobody.
    assert found - ERASED == {"clearings.salt"}
