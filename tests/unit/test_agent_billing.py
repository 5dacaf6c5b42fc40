"""What a device answers who asks it for a bill: the bill, or a signed no without a number."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meterseal_agent.outbox import openings
from meterseal_agent.outbox.model import Chain
from meterseal_agent.seal import opening
from meterseal_agent.seal.billing import Billing, Household
from meterseal_agent.seal.opening import NotOpened, Openings
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errand import (
    BillAsked,
    BillRefused,
    NoBill,
    TariffKnown,
    encode_errand,
)
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import EXPORT, IMPORT, MeterId
from tests.support.boxes import KEYS
from tests.support.committed import flat
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.disclosure import in_message
from tests.support.errands import TWO_KEYS, told
from tests.support.livedhome import END, FIRST, LATE, USAGE, asleep_in, live_at, wake
from tests.support.private_home import (
    DAY_S,
    METER,
    SHOWS,
    PrivateHome,
    readings,
)

FLAT = flat(250_000)
SHORTEST = 2
"""Days: two, so that a test has periods that are too short and some that are not."""


@dataclass
class Device:
    """A home with accepted days, asked for bills."""

    home: PrivateHome
    shortest: int = SHORTEST

    @property
    def billing(self) -> Billing:
        outbox, network = self.home.outbox, GENESIS.network
        links = {(METER, IMPORT): self.home.device.link}
        signer = Openings(outbox, KEYS, network, links)
        house = Household(network, [(METER, IMPORT)], self.shortest)
        return Billing(outbox, signer, KEYS.seal_key, house, TWO_KEYS)

    @property
    def chain(self) -> Chain:
        (chain,) = self.home.outbox.chains()
        return chain

    def asks(
        self, begin: int = FIRST, end: int = END, tariff: Tariff = FLAT
    ) -> ProvedBill | BillRefused | None:
        asked = BillAsked(METER, IMPORT, begin, end, tariff.hash())
        return self.billing.answer(asked)

    def no(self, begin: int = FIRST, end: int = END, tariff: Tariff = FLAT) -> NoBill:
        opened = len(self.home.outbox.openings(self.chain))
        answer = self.asks(begin, end, tariff)
        assert isinstance(answer, BillRefused)
        assert answer.authentic(GENESIS.network, KEYS.seal_key.public)
        assert in_message({SHOWS, *USAGE, sum(USAGE)}, encode_errand(answer)) == []
        assert len(self.home.outbox.openings(self.chain)) == opened
        return answer.why


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files of a home whose days are accepted, before its last reading."""
    return live_at(tmp_path_factory.mktemp("lived") / "home")


@pytest.fixture
def asleep(tmp_path: Path, lived: Path) -> Iterator[Device]:
    with asleep_in(tmp_path / "home", lived) as home:
        yield Device(home)


@pytest.fixture
def fresh(asleep: Device) -> Device:
    wake(asleep.home)
    return asleep


@pytest.fixture
def device(fresh: Device) -> Device:
    fresh.home.outbox.learn_tariff(FLAT.hash(), FLAT.document(), now=BEGAN_AT)
    return fresh


def test_a_bill_that_is_asked_for_is_signed_and_the_same_again_after_a_kill(
    device: Device,
) -> None:
    bill = device.asks()
    assert isinstance(bill, ProvedBill)
    since = (FIRST - BEGAN_AT) // 900
    assert bill.statement.amount == 250_000 * sum(USAGE[since : since + 4 * 96])
    device.home.kill()
    assert device.asks() == bill


def test_before_the_first_reading_since_the_start_nothing_is_said(
    asleep: Device,
) -> None:
    outbox = asleep.home.outbox
    outbox.learn_tariff(FLAT.hash(), FLAT.document(), now=BEGAN_AT)
    assert asleep.asks() is None
    wake(asleep.home)
    assert isinstance(asleep.asks(), ProvedBill)


def test_the_one_number_about_usage_in_a_bill_is_its_amount(device: Device) -> None:
    bill = device.asks()
    assert bill is not None
    since = (FIRST - BEGAN_AT) // 900
    days = {sum(USAGE[at : at + 96]) for at in range(since, since + 4 * 96, 96)}
    payload = encode_errand(bill)
    assert in_message({SHOWS, *USAGE, *days, sum(USAGE)}, payload) == []


@pytest.mark.parametrize(("days", "shortest"), [(1, 2), (1, 27), (3, 4)])
def test_nobody_is_told_what_a_single_day_costs(
    device: Device, days: int, shortest: int
) -> None:
    device.shortest = shortest
    assert device.no(FIRST, FIRST + days * DAY_S) is NoBill.TOO_SHORT
    assert device.no(FIRST, FIRST + 900) is NoBill.TOO_SHORT


def test_a_day_of_23_hours_makes_no_month_too_short(device: Device) -> None:
    device.shortest = 4
    assert device.no(FIRST, END - 3_600) is NoBill.NOT_FILLED
    assert device.no(FIRST, END - 3_601) is NoBill.TOO_SHORT


def test_a_tariff_that_was_told_after_the_period_began_opens_nothing(
    fresh: Device,
) -> None:
    fresh.billing.learn(told(FLAT), now=END + 1)
    assert fresh.no() is NoBill.TARIFF_LATE


def test_a_clock_that_was_set_back_makes_no_tariff_older(fresh: Device) -> None:
    fresh.billing.learn(told(FLAT), now=BEGAN_AT - 1)
    assert fresh.no() is NoBill.TARIFF_LATE


def test_receipts_kept_back_and_a_clock_set_back_make_no_tariff_older(
    tmp_path: Path,
) -> None:
    with closing(PrivateHome(tmp_path / "home")) as home:
        device = Device(home)
        home.read(readings(USAGE))
        device.billing.learn(told(FLAT), now=BEGAN_AT)
        while home.committer.cut():
            home.accept(LATE)
        assert device.no() is NoBill.TARIFF_LATE, "it was measured before it was told"


def test_a_tariff_nobody_told_of_opens_nothing(device: Device) -> None:
    assert device.no(tariff=flat(250_001)) is NoBill.TARIFF


def test_a_tariff_that_is_told_is_known_since_the_last_record_at_the_earliest(
    fresh: Device,
) -> None:
    ended = BEGAN_AT + 900 * len(USAGE)
    assert ended > fresh.chain.head.end
    known = fresh.billing.learn(told(FLAT), now=BEGAN_AT)
    assert known == TariffKnown(FLAT.hash())
    assert fresh.home.outbox.tariff(FLAT.hash()) == (FLAT.document(), ended)


def test_a_tariff_no_witness_cosigned_is_not_learnt(fresh: Device) -> None:
    for wrong in (
        told(FLAT, witnessed=False),
        replace(told(FLAT), index=8),
        replace(told(FLAT), document=flat(250_001).document()),
    ):
        with pytest.raises(NotOpened):
            fresh.billing.learn(wrong, now=BEGAN_AT)
    assert fresh.home.outbox.tariff(FLAT.hash()) is None


def test_without_a_pinned_witness_no_tariff_is_believed(fresh: Device) -> None:
    billing = fresh.billing
    billing._pinned = None
    with pytest.raises(NotOpened, match="no witness"):
        billing.learn(told(FLAT), now=BEGAN_AT)


def test_a_tariff_that_is_known_is_said_to_be_known_again(device: Device) -> None:
    again = device.billing.learn(told(FLAT), now=END)
    assert again == TariffKnown(FLAT.hash())
    assert isinstance(device.asks(), ProvedBill), "since when, the first time tells"


def test_a_period_is_opened_as_often_as_the_aggregator_takes_and_never_more(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more would be in the device's chain and in no log, and no bill follow it."""
    monkeypatch.setattr(opening, "MAX_OPENINGS", 2)
    prices = (250_000, 250_001, 250_002)
    for price in prices:
        one = flat(price)
        device.home.outbox.learn_tariff(one.hash(), one.document(), now=BEGAN_AT)
    for price in prices[:2]:
        assert isinstance(device.asks(tariff=flat(price)), ProvedBill)
    assert device.no(tariff=flat(prices[2])) is NoBill.TOO_FINE
    assert isinstance(device.asks(tariff=flat(prices[0])), ProvedBill), "the same again"


def test_tariffs_take_no_more_room_than_they_may_and_records_have_the_rest(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "MAX_TARIFF_BYTES", 2 * len(FLAT.document()))
    device.billing.learn(told(flat(250_001)), now=BEGAN_AT)
    with pytest.raises(NotOpened, match="no room for another tariff"):
        device.billing.learn(told(flat(250_002)), now=BEGAN_AT)
    known = device.billing.learn(told(FLAT), now=END)
    assert known == TariffKnown(FLAT.hash()), "one that is known needs none"


def test_every_no_of_the_opening_rules_has_its_reason(device: Device) -> None:
    spy = Tariff(
        "spy", "EUR", "UTC", 0,
        (Band(MicroPerKwh(250_001), begin=600, end=615), Band(MicroPerKwh(250_000))),
    )  # fmt: skip
    device.home.outbox.learn_tariff(spy.hash(), spy.document(), now=BEGAN_AT)
    assert device.no(tariff=spy) is NoBill.TOO_FINE
    assert device.no(FIRST, END + 40 * DAY_S) is NoBill.NOT_FILLED
    assert isinstance(device.asks(FIRST, FIRST + 2 * DAY_S), ProvedBill)
    assert device.no(FIRST, END) is NoBill.OVERLAP


def test_a_restored_device_says_that_it_does_not_know_what_was_opened(
    device: Device,
) -> None:
    billing = device.billing
    billing._openings = Openings(device.home.outbox, KEYS, GENESIS.network, {})
    answer = billing.answer(BillAsked(METER, IMPORT, FIRST, END, FLAT.hash()))
    assert isinstance(answer, BillRefused)
    assert answer.why is NoBill.RESTORED


def test_of_another_register_there_is_no_bill_and_of_a_strangers_no_word(
    device: Device,
) -> None:
    export = BillAsked(METER, EXPORT, FIRST, END, FLAT.hash())
    answer = device.billing.answer(export)
    assert isinstance(answer, BillRefused)
    assert answer.why is NoBill.REGISTER
    stranger = BillAsked(MeterId(bytes(16)), IMPORT, FIRST, END, FLAT.hash())
    assert device.billing.answer(stranger) is None
