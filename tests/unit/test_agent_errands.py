"""Errands of a running agent: what is said when, and what is believed of what comes down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_agent.run.errands import AGAIN_S, MAX_ANSWERS, Errands, Handlers
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.proving import MAX_WAITING, Proving
from meterseal_agent.seal.billing import Billing, Household
from meterseal_agent.seal.netting import Nettings
from meterseal_agent.seal.opening import Openings
from meterseal_agent.seal.seeds import Deposits
from meterseal_proto.errand import (
    BillAsked,
    BillRefused,
    NoBill,
    SeedDeposits,
    TariffKnown,
    decode_errand,
)
from meterseal_proto.errand_down import NettingAsked, SeedsKept
from meterseal_proto.errors import Malformed
from meterseal_proto.netting import NettedDay, Netting, ProvedNetting
from meterseal_proto.units import IMPORT, MeterId
from tests.support.boxes import KEYS
from tests.support.committed import flat
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.errands import TRUSTEES, TWO_KEYS, kept_by_all, told
from tests.support.private_home import METER, PrivateHome

FLAT = flat(250_000)


class Rig:
    """A private home's errands, and a clock for them."""

    def __init__(self, home: PrivateHome) -> None:
        network = GENESIS.network
        deposits = Deposits(home.outbox, KEYS, network, TRUSTEES)
        deposits.make([METER])
        openings = Openings(home.outbox, KEYS, network, {(METER, IMPORT): bytes(32)})
        house = Household(network, [(METER, IMPORT)], 27)
        billing = Billing(home.outbox, openings, KEYS.seal_key, house, TWO_KEYS)
        self.thread = FileThread("test")
        self.dated = True
        self.woken = 0
        nettings = Nettings(
            home.outbox, KEYS, house, {(METER, IMPORT): 16}, willing=False
        )
        self.proving = Proving(nettings, self.thread)
        handlers = Handlers(
            *(deposits, billing, self.thread, lambda: BEGAN_AT, lambda: self.dated),
            self.proving,
        )
        self.errands = Errands(handlers, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def posts(self) -> list[object]:
        """Return all that is to be said now, and take it."""
        found: list[object] = []
        while (post := self.errands.next_post()) is not None:
            assert post.kind == "private"
            await post.taken()
            found.append(decode_errand(post.payload))
        return found


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    with closing(PrivateHome(tmp_path / "home")) as home:
        made = Rig(home)
        yield made
        made.thread.close()


def wish(begin: int = 0) -> BillAsked:
    return BillAsked(METER, IMPORT, begin, begin + 900, FLAT.hash())


async def test_a_deposit_is_said_again_ever_more_seldom_until_it_is_kept(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now)
    said: list[object] = []
    for _ in range(4):
        said += await rig.posts()
        assert await rig.posts() == []
        now += AGAIN_S * 2 ** (len(said) - 1)
    deposit = said[0]
    assert said == [deposit] * 4, "the same each time"
    assert isinstance(deposit, SeedDeposits)
    await rig.errands.told(kept_by_all(deposit))
    now += 1e6
    assert await rig.posts() == []
    assert rig.errands.counters.kept == 1


async def test_what_is_not_taken_keeps_nothing_else_from_being_said(rig: Rig) -> None:
    assert rig.errands.next_post() is not None
    await rig.errands.told(wish())
    post = rig.errands.next_post()
    assert post is not None
    assert isinstance(decode_errand(post.payload), BillRefused)
    assert rig.errands.next_post() is None


async def test_forged_signatures_of_trustees_are_refused_and_counted(rig: Rig) -> None:
    (deposit,) = await rig.posts()
    assert isinstance(deposit, SeedDeposits)
    one, two, _ = kept_by_all(deposit).signatures
    with pytest.raises(Malformed):
        await rig.errands.told(SeedsKept(METER, (one, two, one)))
    assert (rig.errands.counters.kept, rig.errands.counters.disbelieved) == (0, 1)


async def test_a_tariff_is_answered_once_it_is_kept(rig: Rig) -> None:
    await rig.posts()
    await rig.errands.told(told(FLAT))
    assert await rig.posts() == [TariffKnown(FLAT.hash())]
    assert rig.woken == 1
    await rig.errands.told(told(FLAT, witnessed=False))
    assert await rig.posts() == []
    assert rig.errands.counters.disbelieved == 1


async def test_before_the_clock_is_set_no_tariff_is_learnt(rig: Rig) -> None:
    await rig.posts()
    rig.dated = False
    await rig.errands.told(told(FLAT))
    assert await rig.posts() == []
    rig.dated = True
    await rig.errands.told(told(FLAT))
    assert await rig.posts() == [TariffKnown(FLAT.hash())]


async def test_a_wish_is_answered_each_time_it_comes_and_once_while_it_waits(
    rig: Rig,
) -> None:
    await rig.posts()
    for _ in range(3):
        await rig.errands.told(wish())
    (answer,) = await rig.posts()
    assert isinstance(answer, BillRefused)
    assert answer.why is NoBill.TOO_SHORT
    await rig.errands.told(wish())
    assert await rig.posts() == [answer]


async def test_wishes_without_number_fill_no_memory(rig: Rig) -> None:
    await rig.posts()
    for begin in range(MAX_ANSWERS + 5):
        await rig.errands.told(wish(begin))
    assert rig.errands.counters.dropped == 5
    assert len(await rig.posts()) == MAX_ANSWERS


async def test_a_wish_for_a_strangers_meter_is_not_answered(rig: Rig) -> None:
    await rig.posts()
    await rig.errands.told(BillAsked(MeterId(bytes(16)), IMPORT, 0, 900, bytes(32)))
    assert await rig.posts() == []
    assert rig.errands.counters.dropped == 1


def netting(begin: int = 0, meter: MeterId = METER) -> NettingAsked:
    day = NettedDay(bytes(32), begin, 900, ((0, 5),))
    return NettingAsked(
        Netting(GENESIS.network, meter, IMPORT, begin, begin + 900, (day,))
    )


async def test_what_may_be_netted_is_answered_once_while_it_waits_and_anew_after(
    rig: Rig,
) -> None:
    await rig.posts()
    duty = asyncio.create_task(rig.proving.run())
    for _ in range(3):
        await rig.errands.told(netting())
    assert await rig.posts() == [], "it is proved elsewhere, in its time"
    await until(lambda: rig.woken == 1)
    await rig.errands.told(netting())
    await rig.errands.told(netting(900))
    await until(lambda: rig.woken == 2)
    assert rig.proving.counters.answered == 2, (
        "what waits to be said is not proved anew"
    )
    answer, _ = await rig.posts()
    assert isinstance(answer, ProvedNetting)
    assert answer.netting.part_of(netting().netting)
    assert answer.netting.days == ()
    await rig.errands.told(netting())
    await until(lambda: rig.woken == 3)
    assert await rig.posts() == [answer]
    assert rig.errands.counters.netted == 3
    await ended(duty)


async def test_askings_without_number_fill_no_memory_and_strangers_get_no_answer(
    rig: Rig,
) -> None:
    await rig.posts()
    await rig.errands.told(netting(meter=MeterId(bytes(16))))
    for _ in range(3):
        await rig.errands.told(netting())
    for begin in range(MAX_WAITING + 5):
        await rig.errands.told(netting(begin))
    assert rig.proving.counters.dropped == 6
    duty = asyncio.create_task(rig.proving.run())
    await until(lambda: rig.proving.counters.dropped == 7)
    await until(lambda: rig.errands.counters.netted == MAX_WAITING - 1)
    assert len(await rig.posts()) == MAX_WAITING - 1
    await ended(duty)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0)


async def ended(duty: asyncio.Task[None]) -> None:
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)
