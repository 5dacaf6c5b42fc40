"""A bill's evidence tells what was known and netted when it was made, and nothing since."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as evidence
from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.translog import sequencer
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import read_netted
from meterseal_proto.evidence.contents import numbered
from tests.support.billinghouse import DAY, HOUR
from tests.support.billingyears import KEY
from tests.support.enrolling import GENESIS
from tests.support.nettingstreet import NOW, Street, a_street
from tests.support.settling import slot
from tests.support.street import BEGIN

LATE = BEGIN + 9 * DAY


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with a_street(tmp_path) as opened:
        yield opened


async def files(street: Street, bill: BillRow) -> dict[str, bytes]:
    """Gather a bill's evidence, once the log has all of it."""
    while (await sequencer.run_once(street.world.database, KEY, LATE + DAY)).added:
        pass
    async with street.world.database.reading() as tx:
        return dict((await evidence.gather(tx, bill, GENESIS)).files)


async def test_what_a_bill_in_its_place_nets_is_not_in_the_evidence_of_the_first(
    street: Street,
) -> None:
    await street.world.sell(street.ada, 0, 500)
    await street.used(300)
    await street.bill(NOW + 4 * DAY)
    await street.world.tell(500)
    street.world.now = LATE
    await street.world.run()
    old, _, new = await street.bill(LATE + HOUR)
    found: dict[int, dict[str, bytes]] = {old.id: {}, new.id: {}}
    async with street.world.database.reading() as tx:
        for bill in (old, new):
            await evidence._netted(tx, bill, found[bill.id])
    assert found[old.id] == {}
    (told,) = read_netted(found[new.id][parts.NETTED])
    assert (told.start, told.wh) == (slot(0), 300)


async def test_a_value_that_was_said_after_a_bill_is_not_in_its_history(
    street: Street,
) -> None:
    await street.used(300)
    (bill,) = await street.bill()
    said = (
        "INSERT INTO vee_values (register_id, start, length, delta, quality, source,"
        " method, reason, author, known_at)"
        " VALUES (?, ?, 900, 7, 8, 'estimate', 'm', ?, 'vee', ?)"
    )
    async with street.world.database.transaction() as tx:
        await tx.rows(said, (street.register, BEGIN, "before", bill.known_at))
        await tx.rows(said, (street.register, BEGIN, "after", bill.known_at + 1))
    told = (await files(street, bill))[numbered(parts.HISTORY, 1)]
    assert b"before" in told
    assert b"after" not in told
