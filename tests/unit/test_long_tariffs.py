"""A tariff longer than an entry of the log is logged by its hash, and proved all the same."""

import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_agent.seal.logbook import CHECKPOINT, Logbook, read_log
from meterseal_agent.seal.opening import PinnedLog
from meterseal_aggregator.billing.supplies import audit
from meterseal_aggregator.billing.tariffs import store
from meterseal_aggregator.storage.database import Database
from meterseal_proto.checkpoint import Checkpoint, NoteKey, sign_note
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.cosignature import CosignerKey, add_lines, cosign
from meterseal_proto.entry import (
    HASHED_VERSION,
    MAX_TARIFF_BODY,
    EntryType,
    leaf_of,
    tariff_entry,
)
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.merkle import root_of
from meterseal_proto.rating.components import Hourly, SignedPrice
from meterseal_proto.rating.tariff import (
    MAX_DOCUMENT_BYTES,
    FullTariff,
    parse_full_tariff,
)
from meterseal_proto.verify import examine, zone_clock
from tests.support import billevidence
from tests.support.billevidence import a_bill
from tests.support.evidence import GENESIS, LOG_KEY
from tests.support.migrated import open_migrated
from tests.support.supplied import a_full_tariff, declare_money

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
DIGITS = 17
NOW = 1_800_000_000
MONTH = NOW + 86_400
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
ORIGIN = "log.example"


def hourly(of: FullTariff) -> FullTariff:
    """Return a tariff with a price of many digits for each hour of the year instead."""
    prices = tuple(
        SignedPrice(3 * 10**16 + 7_919 * n * 10**9 + n) for n in range(8_760)
    )
    return replace(of, components=(Hourly("energy", prices),), digits=DIGITS)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_migrated(tmp_path / "tariffs.sqlite")
    async with database.transaction() as tx:
        await declare_money(tx)
    yield database
    await database.close()


async def test_a_price_for_each_hour_with_many_digits_is_published_by_its_hash(
    db: Database,
) -> None:
    tariff = hourly(a_full_tariff(MONTH))
    document = tariff.document()
    assert MAX_TARIFF_BODY < len(document) <= MAX_DOCUMENT_BYTES
    async with db.transaction() as tx:
        made = await store.publish(tx, document, now=NOW)
        ((body,),) = await tx.rows(
            "SELECT body FROM log_entries WHERE id = ?", (made.entry,)
        )
        found = await store.tariff_named(tx, body[2:])
        (finding,) = await audit.findings(tx)
    assert body[:2] == bytes((EntryType.TARIFF, HASHED_VERSION))
    assert body[2:] == tariff.hash()
    assert found == parse_full_tariff(document)
    assert finding.ok, finding.detail


def test_a_bill_by_it_is_proved_and_a_price_that_was_changed_is_named() -> None:
    bill = a_bill()
    bill.tariff = hourly(billevidence.TARIFF)
    bill.statement = billevidence.a_statement(bill)
    bill.entries = billevidence._posted(bill.statement)
    found = {one.name: one for one in examine(bill.zip(), KNOWN)}
    assert not [one for one in found.values() if one.verdict is Verdict.FAIL]
    name = numbered("tariff", 1)
    changed = bill.files()[name].replace(b"30000000000000000", b"30000000000000001", 1)
    failed = {
        one.name
        for one in examine(bill.zip({name: changed}), KNOWN)
        if one.verdict is Verdict.FAIL
    }
    assert "tariff" in failed


def test_a_document_that_fits_is_in_the_log_whole_as_ever() -> None:
    document = billevidence.TARIFF.document()
    assert tariff_entry(document) == b"\x02\x01" + document
    assert tariff_entry(b"x" * MAX_TARIFF_BODY)[2:] == b"x" * MAX_TARIFF_BODY
    assert len(tariff_entry(b"x" * (MAX_TARIFF_BODY + 1))) == 34


def read_back(entries: list[bytes]) -> Logbook:
    """Let a device read a log of these entries."""
    root = root_of([leaf_of(entry) for entry in entries])
    checkpoint = Checkpoint(ORIGIN, len(entries), root)
    second = CosignerKey("witness.example", WITNESS.public_key().public_bytes_raw())
    by = cosign(checkpoint.body(), "witness.example", WITNESS, NOW)
    note = add_lines(sign_note(checkpoint, LOG_KEY), [by])
    bundle = b"".join(struct.pack(">H", len(one)) + one for one in entries)
    log = NoteKey(ORIGIN, LOG_KEY.public_key().public_bytes_raw())

    def get(path: str) -> bytes:
        return note.encode() if path == CHECKPOINT else bundle

    return read_log(get, PinnedLog(log.vkey, second.vkey), [])


def test_a_device_reads_a_log_in_which_bills_tariffs_are_whole_or_hashed() -> None:
    short = billevidence.TARIFF
    entries = [tariff_entry(one.document()) for one in (short, hourly(short))]
    book = read_back(entries)
    assert (book.size, book.tariffs) == (2, {})
