"""The evidence of a private bill that nets is gathered from the tables, whole or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as billed
from meterseal_aggregator.billing.evidence.model import Gathered
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.web.private_files import bill_file
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.entry import KeyEvent, key_event_entry, tariff_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, read_netted
from meterseal_proto.evidence.contents import numbered, pack
from meterseal_proto.evidence.nettingfile import read_netting
from meterseal_proto.rating.components import On, Price, Wheeling
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.verify import examine, zone_clock
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.enrolling import LOG_KEY
from tests.support.privatebills import BLOCKS
from tests.support.privatebuyer import END, Buyer, a_buyer, at
from tests.support.privateperiods import STANDING, daily, issued

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
LINES = Wheeling("lines", Price(50_000), On.BOUGHT)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Buyer]:
    tariff = daily(BLOCKS, STANDING, LINES, total_rounding=None)
    async with a_buyer(tmp_path, tariff) as opened:
        await enrolled(opened)
        yield opened


async def enrolled(home: Buyer) -> None:
    """Log what this home's world keeps without: its key, and its tariff's document."""
    device = home.home.device
    public = device.key.public
    event = KeyEvent(
        GENESIS.network, device.meter, device.register, str(public.algorithm),
        public.raw, 1, device.step, 0, BEGAN_AT, mode=MODE_COMMITTED, bits=device.bits,
    )  # fmt: skip
    entries = [key_event_entry(event), tariff_entry(home.home.tariff.document())]
    async with home.home.desk.database.transaction() as tx:
        key, tariff = await log.append(tx, entries)
        await tx.rows("DROP TRIGGER key_spans_only_end")
        await tx.rows("UPDATE key_spans SET log_entry_id = ?", (key,))
        await tx.rows("UPDATE full_tariffs SET log_entry_id = ?", (tariff,))


async def gathered(home: Buyer) -> Gathered:
    ((row, _),) = await issued(home.home)
    database = home.home.desk.database
    name = GENESIS.log_key.partition("+")[0]
    await sequencer.run_once(database, sequencer.LogKey(name, LOG_KEY), END)
    async with database.reading() as tx:
        return await billed.gather(tx, row, GENESIS)


async def test_what_its_device_proved_is_in_the_evidence_with_the_key_that_signed(
    home: Buyer,
) -> None:
    for slot, wh in ((0, 100), (1, 401), (30, 2_000)):
        await home.street.deliver(at(slot), wh)
    await home.opened()
    await home.net()
    await home.lines()
    found = await gathered(home)
    proved = read_netting(found.files[parts.NETTING], GENESIS.network)
    assert list(proved.netting.slots()) == [(at(1), 401), (at(30), 2_000)]
    assert proved.netting == home.fits(await home.asked())
    rows = (Netted(at(1), 900, 401), Netted(at(30), 900, 2_000))
    assert read_netted(found.files[parts.NETTED]) == rows
    assert len(parts.read_keys(found.files[parts.KEYS])) == 1
    (hidden,) = found.hidden
    database = home.home.desk.database
    async with database.reading() as tx:
        (kept,) = await private.of_register(tx, hidden.register, GENESIS)
        file = await bill_file(tx, kept, GENESIS)
    whole = {**found.files, numbered(parts.PRIVATE, hidden.number): file}
    claims = {one.name: one for one in examine(pack(whole), KNOWN)}
    failed = {n for n, one in claims.items() if one.verdict is Verdict.FAIL}
    # This home's network has no log key, and its device's key came to the log late.
    late = {"key", "signatures", "checkpoint"}
    assert failed == {"checkpoint", *(f"private-1.{one}" for one in late)}
    assert claims["lines"].verdict is claims["netted"].verdict is Verdict.PASS
    assert claims["netting-1"].verdict is Verdict.UNCHECKED


async def test_a_home_that_netted_nothing_has_no_such_file(home: Buyer) -> None:
    await home.street.deliver(at(0), 100)
    await home.opened()
    await home.net()
    await home.lines()
    found = await gathered(home)
    assert parts.NETTING not in found.files
    assert parts.NETTED not in found.files
    assert parts.read_keys(found.files[parts.KEYS]) == []
