"""The evidence of a trade: what each side gets, and what fails by name when it is touched."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.billing.evidence import trade as traded
from meterseal_aggregator.billing.evidence.trade import Asker
from meterseal_aggregator.ledger.chain import entry_hash
from meterseal_aggregator.ledger.store import entries_after
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.translog import sequencer
from meterseal_proto.bundle import Logged
from meterseal_proto.checkpoint import sign_note
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.entry import leaf_of, seal_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import numbered, pack
from meterseal_proto.evidence.ledgerrun import LedgerEntry
from meterseal_proto.evidence.places import write_places
from meterseal_proto.evidence.sealedfile import SealedRegister, write_seals
from meterseal_proto.evidence.tradefile import read_trade, write_trade
from meterseal_proto.units import EXPORT
from meterseal_proto.verify import examine, zone_clock
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.evidence import GENESIS as STREETS
from tests.support.evidence import LOG_KEY as STREETS_KEY
from tests.support.evidence import METER, START, Street
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world

Files = dict[str, bytes]
KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        key = sequencer.LogKey("street.example/log", LOG_KEY)
        await sequencer.run_once(database, key, 1)
        yield await a_world(database)


async def settled(world: World, told_wh: int = 400) -> Trade:
    made = await world.sell(world.buyers[0], 0, 500)
    await world.tell(told_wh)
    await world.run()
    async with world.database.reading() as tx:
        found = await trades.by_id(tx, made.id)
    assert found is not None
    return found


async def files_of(world: World, trade: Trade, asker: Asker) -> Files:
    async with world.database.reading() as tx:
        return (await traded.gather(tx, trade, asker, GENESIS)).files


def judged(files: Files) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(pack(files), KNOWN)}


def failed(files: Files) -> set[str]:
    return {n for n, c in judged(files).items() if c.verdict is Verdict.FAIL}


async def test_a_buyers_file_proves_what_he_paid_and_not_what_the_seller_made(
    world: World,
) -> None:
    files = await files_of(world, await settled(world), Asker.BUYER)
    found = judged(files)
    assert not failed(files)
    assert found["payments"].verdict is found["ledger"].verdict is Verdict.PASS
    assert found["ledger-chain"].verdict is Verdict.PASS
    assert found["delivered"].verdict is Verdict.UNCHECKED
    assert numbered(parts.SEALS, 1) not in files
    assert read_trade(files[parts.TRADE]).sold is None


@pytest.mark.parametrize("told_wh", [0, 400, 500, 700])
async def test_what_the_meter_told_is_what_was_paid_however_much_it_was(
    world: World, told_wh: int
) -> None:
    files = await files_of(world, await settled(world, told_wh), Asker.BUYER)
    assert not failed(files), judged(files)


Change = Callable[[Any], object]
TOUCHED: dict[str, tuple[str, Change, set[str]]] = {
    "a price": (parts.TRADE, lambda f: f.update(price=160_000), {"payments", "ledger"}),
    "what was delivered": (
        parts.TRADE, lambda f: f.update(delivered_wh=500), {"trade", "delivered"},
    ),
    "a run": (parts.TRADE, lambda f: f["runs"][0].__setitem__(4, 1), {"payments"}),
    "an amount moved": (
        parts.LEDGER,
        lambda f: f["runs"][-1]["entries"][0].__setitem__(4, 5),
        {"ledger", "ledger-chain"},
    ),
    "the network": (parts.TRADE, lambda f: f.update(network="00" * 32), {"trade"}),
}  # fmt: skip


@pytest.mark.parametrize("what", list(TOUCHED))
async def test_what_was_touched_in_a_trade_fails_by_name(
    world: World, what: str
) -> None:
    files = await files_of(world, await settled(world), Asker.BUYER)
    name, change, expected = TOUCHED[what]
    found = json.loads(files[name])
    change(found)
    files[name] = json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
    assert expected <= failed(files)


async def test_every_entry_of_the_ledger_hashes_as_the_ledger_hashes_it(
    world: World,
) -> None:
    await settled(world)
    async with world.database.reading() as tx:
        page = await entries_after(tx, 0)
    before = bytes(32)
    assert len(page) > 8
    for seq, digest, entry in page:
        t = entry.transfer
        told = LedgerEntry(
            seq, int(t.phase), int(t.at_most), int(t.linked), t.amount, t.timeout_s,
            t.effective_at, entry.recorded_at, t.id, t.pending_id, t.asset, t.debit,
            t.credit, t.purpose, t.reference, int(t.freezes),
        )  # fmt: skip
        assert told.hash(before) == digest == entry_hash(before, seq, entry)
        before = digest


def sellers(sold: list[list[int]], delivered: int) -> Files:
    """A seller's own file by hand: the seals of his slot, and what else he sold of it."""
    street = Street()
    seal = street.seal((300, 100, 100))
    head = street.checkpoint()
    index = street.entries.index(seal_entry(seal.header, seal.signature))
    places: dict[bytes, Logged] = {
        leaf_of(street.entries[n]): street.logged(n) for n in (street.key_index, index)
    }
    trade = _document(sold, delivered)
    return {
        parts.NETWORK: json.dumps(
            {
                "chain_id": STREETS.chain_id,
                "log_key": STREETS.log_key,
                "registry": STREETS.registry,
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode(),
        parts.CHECKPOINT: sign_note(head, STREETS_KEY).encode(),
        parts.LOG: write_places(places),
        parts.KEYS: parts.write_keys([street.entries[street.key_index]]),
        parts.TRADE: trade,
        parts.LEDGER: b'{"runs":[]}',
        numbered(parts.SEALS, 1): write_seals(SealedRegister(METER, EXPORT, (seal,))),
    }


def _document(sold: list[list[int]], delivered: int) -> bytes:
    base = {
        "asset": "XTS", "buyer": 2, "delivered_wh": delivered, "fee": 0,
        "format": "meterseal/trade/1", "id": 1, "lane": 0, "length": 900, "losses_bp": 0,
        "made_at": 5, "meter_point": 1, "metered_wh": delivered,
        "network": STREETS.network.hex(), "price": 100_000, "rail": "ledger",
        "retail": 100_000,
        "runs": [[1, delivered, delivered, delivered * 100, delivered * 100, 0, 0, 0, 0,
                  0, 0, START.at + 9_000]],
        "seller": 1, "sold": sold, "start": START.at, "state": "settled", "wh": 500,
    }  # fmt: skip
    return json.dumps(base, sort_keys=True, separators=(",", ":")).encode()


def test_a_sellers_file_holds_his_seals_and_no_more_is_shared_than_they_say() -> None:
    known = Expectation(network=STREETS.network.hex(), clock=zone_clock)
    files = sellers([[1, 0, 500, 200], [2, 0, 90, 90]], 200)
    found = {one.name: one for one in examine(pack(files), known)}
    assert found["delivered"].verdict is Verdict.PASS, found["delivered"]
    assert "300 were sealed, 290 shared" in found["delivered"].text
    for sold, delivered in (
        ([[1, 0, 500, 250], [2, 0, 90, 90]], 250),
        ([[2, 0, 90, 90]], 100),
    ):
        files = sellers(sold, delivered)
        verdicts = {one.name: one.verdict for one in examine(pack(files), known)}
        assert verdicts["delivered"] is Verdict.FAIL


def test_a_trade_is_read_as_it_was_written() -> None:
    data = _document([[1, 0, 500, 200]], 200)
    trade = read_trade(data)
    assert write_trade(trade) == data
    assert read_trade(write_trade(replace(trade, sold=None))).sold is None
