"""Answers about netting: believed where the device signed and proved what it was asked."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.private import check
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_proto.keys import RootSecret
from meterseal_proto.netting import NettedDay, Netting, ProvedNetting
from meterseal_proto.rating.components import On, Price, Wheeling
from meterseal_proto.rating.line import LineKind
from meterseal_proto.units import MeterId
from tests.support.devices import GENESIS
from tests.support.privatebills import BLOCKS
from tests.support.privatebuyer import END, Buyer, a_buyer, at
from tests.support.privateperiods import STANDING, daily, issued, work

LINES = Wheeling("lines", Price(50_000), On.BOUGHT)
TARIFF = daily(BLOCKS, STANDING, LINES, total_rounding=None)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Buyer]:
    """A home that bought in three slots, one of which used nothing, and is asked."""
    async with a_buyer(tmp_path, TARIFF) as buyer:
        for slot, wh in ((0, 100), (1, 300), (2, 400)):
            await buyer.street.deliver(at(slot), wh)
        await buyer.opened()
        yield buyer


def signed(home: Buyer, proved: ProvedNetting, **change: object) -> ProvedNetting:
    """An answer of which something is other than it was proved, signed all the same."""
    netting = replace(proved.netting, **change)  # type: ignore[arg-type]  # its fields
    key = home.home.device.key
    return replace(proved, netting=netting, consent=key.sign(netting.digest()))


def day_of(netting: Netting, *slots: tuple[int, int]) -> tuple[NettedDay, ...]:
    return (replace(netting.days[0], slots=slots),)


def claims_more(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """The slot that used nothing as well, by the proof of the others."""
    return signed(home, good, days=day_of(good.netting, (0, 100), (1, 300), (2, 400)))


def claims_another(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """The slot that used nothing in the place of one that did."""
    return signed(home, good, days=day_of(good.netting, (0, 100), (2, 400)))


def other_wh(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """Fewer Wh than were asked about, which would tell of another bound."""
    return home.prove(
        replace(good.netting, days=day_of(good.netting, (1, 299), (2, 400)))
    )


def other_slot(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """A slot that nobody asked about."""
    return home.prove(replace(good.netting, days=day_of(good.netting, (3, 300))))


def other_day(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """The day under another header's hash."""
    (day,) = good.netting.days
    return signed(home, good, days=(replace(day, header=bytes(32)),))


def other_period(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """A period that nobody asked about."""
    return signed(home, good, end=END + 900)


def other_network(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """Another network's answer."""
    return signed(home, good, network=bytes(32))


def other_meter(home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """A meter that nobody enrolled."""
    return signed(home, good, meter=MeterId(bytes(16)))


def other_key(_home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """Somebody else's signature."""
    key = RootSecret(bytes([9]) * 32).seal_key()
    return replace(good, consent=key.sign(good.netting.digest()))


def other_proof(_home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """A proof of which a bit is other than it was."""
    (proof,) = good.proofs
    return replace(good, proofs=(proof[:-1] + bytes([proof[-1] ^ 1]),))


def no_proof(_home: Buyer, good: ProvedNetting) -> ProvedNetting:
    """Slots without a proof."""
    return replace(good, proofs=())


@pytest.mark.parametrize(
    ("lie", "cause"),
    [
        (claims_more, Cause.PROOF),
        (claims_another, Cause.PROOF),
        (other_proof, Cause.PROOF),
        (no_proof, Cause.PROOF),
        (other_key, Cause.PROOF),
        (other_wh, Cause.PERIOD),
        (other_slot, Cause.PERIOD),
        (other_day, Cause.PERIOD),
        (other_period, Cause.PERIOD),
        (other_network, Cause.REGISTER),
        (other_meter, Cause.REGISTER),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_an_answer_that_is_not_the_devices_truth_is_not_taken(
    home: Buyer, lie: Callable[[Buyer, ProvedNetting], ProvedNetting], cause: Cause
) -> None:
    good = home.prove(home.fits(await home.asked()))
    with pytest.raises(NotTaken) as caught:
        await home.tell(lie(home, good))
    assert caught.value.cause is cause
    found = await home.request()
    assert found is not None
    assert (found.answered_at, found.netted) == (None, ())
    elsewhere = (other_key, other_period, other_network, other_meter)
    assert found.not_taken == (None if lie in elsewhere else cause.value)
    # The device may still tell the truth.
    await home.tell(good)
    found = await home.request()
    assert found is not None
    assert (found.answer, found.not_taken) == (good.netting, None)


async def test_an_answer_is_kept_once_and_no_other_takes_its_place(home: Buyer) -> None:
    asked = await home.asked()
    good = home.prove(home.fits(asked))
    await home.tell(good)
    await home.tell(good, END + 60)
    less = home.prove(replace(asked, days=day_of(asked, (1, 300))))
    with pytest.raises(NotTaken, match="said otherwise"):
        await home.tell(less)
    found = await home.request()
    assert found is not None
    assert (found.answer, found.answered_at) == (good.netting, END)


async def test_a_device_may_net_nothing_and_the_bill_goes_on_without(
    home: Buyer,
) -> None:
    nothing = replace(await home.asked(), days=())
    await home.tell(home.prove(nothing))
    lines = await home.lines()
    assert [line for line in lines if line.kind is LineKind.TRADED] == []
    assert lines == home.open_lines({})
    assert await home.street.held() == (800, 0)


async def test_what_was_asked_and_answered_is_never_changed_in_the_tables(
    home: Buyer,
) -> None:
    await home.net()
    for change in (
        "UPDATE netting_requests SET waits_until = waits_until + 1",
        "UPDATE netting_requests SET consent = zeroblob(64)",
        "UPDATE netting_requests SET answered_at = answered_at + 1",
        "UPDATE netting_slots SET wh = wh + 1",
        "UPDATE netting_slots SET netted = 1",
        "UPDATE netting_proofs SET proof = x'00'",
        "DELETE FROM netting_requests",
        "DELETE FROM netting_slots",
        "DELETE FROM netting_proofs",
    ):
        with pytest.raises(Exception, match=r"once|keeps|never|known"):
            async with home.home.desk.database.transaction() as tx:
                await tx.rows(change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE netting_slots SET netted = 0 WHERE place = 1", "does not net what"),
        ("UPDATE netting_slots SET wh = wh - 1, netted = 1", "does not net what"),
        ("UPDATE netting_requests SET consent = zeroblob(64)", "seal key did not sign"),
        ("DELETE FROM netting_proofs", "did not prove"),
        (
            "UPDATE netting_requests SET answered_at = NULL, consent = NULL",
            "never proved",
        ),
        ("UPDATE netted_slots SET wh = wh - 1 WHERE wh = 300", "does not net what"),
        ("DELETE FROM netted_slots", "is not what was opened costs"),
    ],
)
async def test_the_audit_names_a_bill_that_nets_what_was_not_proved(
    home: Buyer, change: str, said: str
) -> None:
    await home.net()
    await home.lines()
    async with home.home.desk.database.transaction() as tx:
        triggers = await tx.rows(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            " AND (tbl_name LIKE 'netting%' OR tbl_name = 'netted_slots')"
        )
        for (name,) in triggers:
            await tx.rows(f"DROP TRIGGER {name}")
        await tx.rows(change)
        (found,) = await check.findings(tx, GENESIS)
    assert (found.ok, said in found.detail) == (False, True), found


async def test_every_step_may_be_the_last_before_a_restart_and_one_bill_nets(
    home: Buyer,
) -> None:
    # What a step leaves is in the tables: run again, it does nothing twice.
    for _ in range(2):
        await work(home.home, END)
    good = home.prove(home.fits(await home.asked()))
    for _ in range(2):
        await home.tell(good)
    for _ in range(2):
        await work(home.home, END)
    assert len(await issued(home.home)) == 1
    assert await home.street.held() == (100, 700)
    await home.well()
