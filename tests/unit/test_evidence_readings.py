"""A register's readings as evidence: long ones, erased ones, whose keys, and their digest."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as evidence
from meterseal_aggregator.billing.evidence import readings
from meterseal_aggregator.billing.evidence.model import Entries, NotYet
from meterseal_aggregator.billing.evidence.readings import Billed
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import IMPORT
from tests.support.billinghouse import DAY, HOUR, MAY
from tests.support.enrolling import GENESIS
from tests.support.sealedhouse import SealedHouse, a_sealed_house

BILL = "2026-00000001"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SealedHouse]:
    async with a_sealed_house(tmp_path) as opened:
        yield opened


async def test_a_long_reading_that_began_before_the_span_is_shown(
    house: SealedHouse,
) -> None:
    async with house.utility.database.reading() as tx:
        told = read_statement((await store.bill(tx, BILL)).document).usage[0]
        place = await readings.place_of(tx, told.meter, told.register)
        found = {
            begin: [
                one.seal.header.seq
                for one in await readings.seals_of(
                    tx, place, (begin, begin + HOUR), GENESIS
                )
            ]
            for begin in (MAY - HOUR, MAY)
        }
    assert found == {MAY - HOUR: [1], MAY: [2]}


async def test_a_bill_of_erased_readings_has_no_evidence_and_never_will(
    house: SealedHouse,
) -> None:
    async with house.utility.database.transaction() as tx:
        bill = await store.bill(tx, BILL)
        await evidence.gather(tx, bill, GENESIS)
        row = house.homes["ada"].registers[IMPORT]
        await tx.rows(
            "DELETE FROM salts WHERE register_id = ? AND start = ?", (row, MAY + HOUR)
        )
        with pytest.raises(NotYet, match="erased") as caught:
            await evidence.gather(tx, bill, GENESIS)
    assert not caught.value.later


async def test_the_keys_shown_are_those_in_force_over_the_seals(
    house: SealedHouse,
) -> None:
    row = house.homes["ada"].registers[IMPORT]
    async with house.utility.database.transaction() as tx:
        ((key, first),) = await tx.rows(
            "SELECT key_id, log_entry_id FROM key_spans WHERE register_id = ?", (row,)
        )
        named = await log.append(tx, [b"\x00second", b"\x00third"])
        await tx.rows(
            "UPDATE key_spans SET to_seq = 5, ended_by = 'rotation'"
            " WHERE register_id = ?",
            (row,),
        )
        for entry, begin, end in ((named[0], 6, 9), (named[1], 10, None)):
            await tx.rows(
                "INSERT INTO key_spans (key_id, register_id, from_seq, to_seq,"
                " ended_by, log_entry_id) VALUES (?, ?, ?, ?, ?, ?)",
                (key, row, begin, end, end and "rotation", entry),
            )
        told = read_statement((await store.bill(tx, BILL)).document).usage[0]
        place = await readings.place_of(tx, told.meter, told.register)
        ids = {first: 1, named[0]: 2, named[1]: 3}
        shown = {}
        for low, high in ((2, 5), (5, 6), (6, 9), (9, 10), (10, 13), (2, 13)):
            span = (MAY + (low - 2) * DAY, MAY + (high - 1) * DAY)
            seals = await readings.seals_of(tx, place, span, GENESIS)
            assert [one.seal.header.seq for one in seals] == [*range(low, high + 1)]
            entries = Entries()
            keys = await readings.keys_of(tx, place, seals, entries)
            shown[low, high] = [ids[one] for one in entries.bodies if one in ids]
            assert len(keys) == len(shown[low, high])
        # Of a file with a gap, the key that spoke only in the gap is left out.
        entries = Entries()
        seals = await readings.seals_of(tx, place, (MAY, MAY + 12 * DAY), GENESIS)
        ends = [seals[0], seals[-1]]
        assert len(await readings.keys_of(tx, place, ends, entries)) == 2
        assert named[0] not in entries.bodies
    assert shown == {
        (2, 5): [1], (5, 6): [1, 2], (6, 9): [2], (9, 10): [2, 3], (10, 13): [3],
        (2, 13): [1, 2, 3],
    }  # fmt: skip


async def test_usage_that_is_not_what_was_billed_is_not_shown(
    house: SealedHouse,
) -> None:
    async with house.utility.database.reading() as tx:
        bill = await store.bill(tx, BILL)
        told = read_statement(bill.document).usage[0]
        place = await readings.place_of(tx, told.meter, told.register)
        billed = Billed(place, told, GENESIS.network, bill.known_at)
        assert (await readings.slots_of(tx, billed)).digest == told.digest
        other = replace(billed, told=replace(told, digest=bytes((1,)) * 32))
        with pytest.raises(Rotten, match="not what was billed"):
            await readings.slots_of(tx, other)
