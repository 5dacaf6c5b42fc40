"""Who asks again what his payment paid is told the very same: found in billing histories."""

from pathlib import Path

from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from tests.support.billed import DAY, a_household, billed
from tests.support.marketplace import NOW
from tests.support.migrated import open_migrated


async def test_a_receipt_names_its_bills_alike_whichever_was_due_first(
    tmp_path: Path,
) -> None:
    database = await open_migrated(tmp_path / "receipt.sqlite")
    async with database.transaction() as tx:
        home = await a_household(tx, cents=5_000)
        later = await billed(tx, home, 1_000, issued_at=NOW)
        first = await billed(tx, home, 2_000, issued_at=NOW - 3 * DAY)
        wish = Wish(home.member, 25_000_000, "key")
        made = await pay(tx, wish, now=NOW)
    async with database.transaction() as tx:
        assert await pay(tx, wish, now=NOW) == made
    assert [part.bill for part in made.parts] == [first, later]
    await database.close()
