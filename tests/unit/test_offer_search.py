"""What buyers find: offers with something left, and the best for what they want."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market.discovery import Wanted
from meterseal_aggregator.market.offers import search
from meterseal_aggregator.market.offers.model import NewOffer
from meterseal_aggregator.market.offers.search import Sought
from meterseal_aggregator.market.trust import Tier
from tests.support.marketplace import declare, make_member, make_point, slot
from tests.support.stall import MONTHLY_WH, PRICE, Stall, open_stall, slots

MOST = 1 << 39


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        yield opened


async def _another(stall: Stall, name: str, wh: dict[int, int], price: int) -> int:
    """Let another seller offer; returns the offer."""
    async with stall.database.transaction() as tx:
        seller = await make_member(tx, name)
        point = await make_point(tx, seller)
        await declare(tx, seller, MONTHLY_WH)
    made = await stall.place(NewOffer(seller, "k", point, price, slots(wh)))
    return made.id


async def _browse(stall: Stall, sought: Sought, after: int = 0) -> list[int]:
    async with stall.database.reading() as tx:
        found = await search.browse(tx, sought, now=stall.now, after=after, limit=2)
    return [offer.id for offer in found]


async def _best(stall: Stall, wanted: Wanted) -> list[tuple[int, int]]:
    async with stall.database.reading() as tx:
        found = await search.best(tx, stall.rules, wanted, now=stall.now, limit=10)
    return [(offer.id, one.score) for offer, one in found]


async def test_offers_are_listed_by_hours_price_energy_and_seller(
    stall: Stall,
) -> None:
    mine = (await stall.offer({3: 500, 4: 500})).id
    other = await _another(stall, "Luna", {4: 100, 9: 100}, PRICE + 1_000)
    everything = Sought(0, MOST, MOST)
    assert await _browse(stall, everything) == [mine, other]
    assert await _browse(stall, everything, after=mine) == [other]
    assert await _browse(stall, Sought(slot(5), MOST, MOST)) == [other]
    assert await _browse(stall, Sought(slot(3), slot(4), MOST)) == [mine]
    assert await _browse(stall, Sought(0, MOST, PRICE)) == [mine]
    assert await _browse(stall, Sought(0, MOST, MOST, least_wh=201)) == [mine]
    assert await _browse(stall, Sought(slot(4), MOST, MOST, 501)) == []
    assert await _browse(stall, Sought(0, MOST, MOST, seller=stall.seller)) == [mine]


async def test_what_is_gone_is_not_listed(stall: Stall) -> None:
    offers = [(await stall.offer({3: 100})).id for _ in range(3)]
    everything = Sought(0, MOST, MOST)
    await stall.withdraw(offers[0])
    await stall.reserve(stall.buyers[0], offers[1], {3: 100})
    assert await _browse(stall, everything) == [offers[2]]
    stall.now = slot(3)
    assert await _browse(stall, everything) == []


async def test_the_best_offer_is_cheap_trusted_and_there_all_the_time(
    stall: Stall,
) -> None:
    mine = (await stall.offer({4: 500, 5: 500})).id
    cheap = await _another(stall, "Luna", {4: 500}, PRICE - 50_000)
    dear = await _another(stall, "Astra", {4: 500, 5: 500}, PRICE + 50_000)
    wanted = Wanted(str(stall.buyers[0]), slot(4), slot(6), 400, PRICE + 50_000)
    trust = 3_000 * 35
    expected = [
        (cheap, (10_000 * 40 + trust + 5_000 * 25) // 100),
        (mine, (5_000 * 40 + trust + 10_000 * 25) // 100),
        (dear, (trust + 10_000 * 25) // 100),
    ]
    assert await _best(stall, wanted) == expected


async def test_discovery_shows_no_own_offer_none_too_dear_small_or_distrusted(
    stall: Stall,
) -> None:
    mine = await stall.offer({4: 500})
    buyer = str(stall.buyers[0])
    fits = Wanted(buyer, slot(4), slot(5), 500, PRICE)
    assert [offer for offer, _ in await _best(stall, fits)] == [mine.id]
    for wanted in (
        Wanted(str(stall.seller), slot(4), slot(5), 500, PRICE),
        Wanted(buyer, slot(4), slot(5), 501, PRICE),
        Wanted(buyer, slot(4), slot(5), 500, PRICE - 1),
        Wanted(buyer, slot(5), slot(6), 500, PRICE),
    ):
        assert await _best(stall, wanted) == []
    await stall.set_score(stall.seller, 1_999)
    assert await _best(stall, fits) == []
    await stall.set_score(stall.seller, 2_000)
    assert len(await _best(stall, fits)) == 1


async def test_energy_counts_within_the_wanted_hours_only(stall: Stall) -> None:
    await stall.offer({4: 100, 90: 900})
    buyer = str(stall.buyers[0])
    assert await _best(stall, Wanted(buyer, slot(4), slot(5), 101, PRICE)) == []
    assert await _best(stall, Wanted(buyer, slot(4), slot(91), 101, PRICE)) != []


async def test_a_seller_is_shown_by_trust_and_stars(stall: Stall) -> None:
    await stall.set_score(stall.seller, 8_500)
    offer = await stall.offer({4: 500})
    for buyer in stall.buyers:
        await stall.bought(buyer, offer.id, {4: 100})
    async with stall.database.transaction() as tx:
        await tx.many(
            "INSERT INTO ratings (trade_id, rater_id, rated_id, stars, rated_at)"
            " VALUES (?, ?, ?, ?, 1)",
            [(1, stall.buyers[0], stall.seller, 5), (2, stall.buyers[1], stall.seller, 2)],
        )  # fmt: skip
        found = await search.sellers(tx, stall.rules, [stall.seller, stall.buyers[0]])
    sol, ada = found[stall.seller], found[stall.buyers[0]]
    assert (sol.tier, sol.rating.average_x100, sol.rating.count) == (Tier.GOLD, 350, 2)
    assert (ada.tier, ada.score, ada.rating.count) == (Tier.STARTER, 3_000, 0)
