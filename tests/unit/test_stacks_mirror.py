"""Mirrors add up what was printed, and notice what cannot have been."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.stacks.events.energy import (
    Anchor,
    EnergyClaimed,
    EnergyMinted,
    EnergyMoved,
    EnergyRetired,
    EnergyReversed,
)
from meterseal_aggregator.stacks.events.market import (
    TradeCancelled,
    TradeExpired,
    TradeOpened,
    TradeSettled,
)
from meterseal_aggregator.stacks.events.reading import Memo
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.model import Escrow, Incoherent, Roots, Supply
from meterseal_proto.c32 import Principal

ANNA = Principal.parse("ST1SJ3DTE5DN7X54YDH5D64R3BCB6A2AG2ZQ8YPD5")
BEN = Principal.parse("ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG")
COIN = Principal(ANNA.address, "coin")
ID = bytes(32)


def minted(amount: int) -> EnergyMinted:
    return EnergyMinted(ID, 0, ANNA, amount, 1, 2, 0, 900)


def opened(trade: int, amount: int, asset: Principal | None = None) -> TradeOpened:
    return TradeOpened(trade, 0, BEN, ANNA, asset, 1_000, amount)


def followed(*events: Told) -> Supply:
    supply = Supply()
    for one in events:
        supply.take(one)
    return supply


def test_supply_follows_minting_moving_retiring_and_reversing() -> None:
    supply = followed(
        minted(1_000),
        EnergyMoved(300, ANNA, BEN),
        Memo(b"for the tea"),
        EnergyRetired(BEN, 100, ID, 0, 900),
        EnergyReversed(ID, 0, ANNA, 900, 700),
    )
    assert (supply.minted, supply.burned, supply.total) == (1_000, 800, 200)
    assert supply.balances == {ANNA: 0, BEN: 200}
    assert supply.debts[ANNA] == 200


def test_what_is_owed_is_repaid_before_anything_is_minted() -> None:
    owing = (
        minted(500),
        EnergyMoved(500, ANNA, BEN),
        EnergyReversed(ID, 0, ANNA, 300, 0),
    )
    supply = followed(*owing, EnergyClaimed(1, 0, ANNA, 200, 1, 2, 0, 900))
    assert (supply.minted, supply.debts[ANNA], supply.balances[ANNA]) == (500, 100, 0)
    supply.take(minted(400))
    assert (supply.minted, supply.debts[ANNA], supply.balances[ANNA]) == (800, 0, 300)


@given(st.lists(st.tuples(st.sampled_from("mxtr"), st.integers(1, 900))))
def test_the_supply_is_what_holders_hold(deeds: list[tuple[str, int]]) -> None:
    supply = Supply()
    for deed, amount in deeds:
        held = supply.balances.get(ANNA, 0)
        if deed == "m":
            supply.take(minted(amount))
        elif deed == "x":
            supply.take(EnergyReversed(ID, 0, ANNA, amount, min(amount, held)))
        elif deed == "t" and held >= amount:
            supply.take(EnergyMoved(amount, ANNA, BEN))
        elif held >= amount:
            supply.take(EnergyRetired(ANNA, amount, ID, 0, 900))
        assert supply.total == sum(supply.balances.values()) >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        EnergyMoved(1_001, ANNA, BEN), EnergyMoved(1, BEN, ANNA),
        EnergyRetired(ANNA, 1_001, ID, 0, 900), EnergyReversed(ID, 0, ANNA, 500, 400),
        EnergyReversed(ID, 0, ANNA, 1_500, 1_500),
    ],
)  # fmt: skip
def test_energy_nobody_has_is_incoherent(wrong: Told) -> None:
    with pytest.raises(Incoherent):
        followed(minted(1_000), wrong)


def test_escrow_holds_what_open_trades_hold_by_asset() -> None:
    escrow = Escrow()
    for one in (opened(1, 200), opened(2, 300), opened(3, 50, COIN), opened(4, 7)):
        escrow.take(one)
    assert (escrow.held(None), escrow.held(COIN)) == (507, 50)
    escrow.take(TradeSettled(1, 400, 79, 1, 120))
    escrow.take(TradeCancelled(2, BEN, 300))
    escrow.take(TradeExpired(3, 50))
    assert (escrow.held(None), escrow.held(COIN)) == (7, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        opened(1, 200), opened(3, 200), TradeSettled(1, 1_000, 198, 1, 0),
        TradeCancelled(1, BEN, 199), TradeExpired(2, 200),
    ],
)  # fmt: skip
def test_a_trade_that_opens_or_ends_otherwise_is_incoherent(wrong: Told) -> None:
    escrow = Escrow()
    escrow.take(opened(1, 200))
    with pytest.raises(Incoherent):
        escrow.take(wrong)


def test_a_trade_ends_once() -> None:
    escrow = Escrow()
    escrow.take(opened(1, 200))
    escrow.take(TradeExpired(1, 200))
    with pytest.raises(Incoherent):
        escrow.take(TradeExpired(1, 200))


def test_roots_come_in_order_and_grow() -> None:
    roots = Roots()
    roots.take(Anchor(0, 5, ID))
    roots.take(Anchor(1, 6, ID))
    assert [one.size for one in roots.anchors] == [5, 6]
    for wrong in (Anchor(1, 7, ID), Anchor(3, 7, ID), Anchor(2, 6, ID)):
        with pytest.raises(Incoherent):
            roots.take(wrong)
