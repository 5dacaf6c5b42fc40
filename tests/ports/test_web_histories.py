"""A restored device's history through the API: for its seal key alone, whole, a page a time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.privacy import bills, history
from meterseal_aggregator.registry import enrol as registry_enrol
from meterseal_aggregator.registry.model import CodeKind, Moment
from meterseal_proto.bill import ProvedBill
from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.history import LIFE_S, PATH, HistoryPage, HistoryRequest
from meterseal_proto.keys import SealKey
from meterseal_proto.privatefile import statement_json
from meterseal_proto.units import IMPORT
from tests.support.committed import CommittedDevice, Day, bill_over, flat
from tests.support.enrolling import (
    GENESIS,
    SLOT,
    TERMS,
    a_key,
    a_meter,
    a_request,
)
from tests.support.webhouse import LATER, WebHouse, a_house, pretty
from tests.support.webprivate import enrol_private, publish, take_in

BEGAN = SLOT - 60 * 900
DAYS = [[n + 100 * day for n in range(6)] for day in range(5)]
FLAT = flat(250_000)
SEALED = "5e" * 24


def start(at: int = BEGAN, **change: Any) -> RegisterStart:
    return replace(RegisterStart(IMPORT, 900, 0, at, 1, 16, SEALED), **change)


@dataclass
class Home:
    house: WebHouse
    device: CommittedDevice
    days: list[Day]
    link: bytes

    async def asks(
        self,
        key: SealKey | None = None,
        after: int = 0,
        at: int = LATER,
        sent: dict[str, Any] | None = None,
    ) -> Any:
        place = (self.device.meter, IMPORT)
        wish = HistoryRequest.sign(
            key or self.device.key, GENESIS.network, place, after=after, at=at
        )
        body = {**wish.to_json(), **(sent or {})}
        return await self.house.post(PATH, None, body)

    async def page(self, after: int = 0, key: SealKey | None = None) -> HistoryPage:
        answer = await self.asks(key, after)
        assert answer.status_code == 200, pretty(answer)
        return HistoryPage.from_json(answer.content)

    async def replace(self, key: SealKey) -> EnrolmentAnswer:
        code = await self.house.registry.code(
            CodeKind.REPLACEMENT, expires_at=LATER + 60
        )
        at = LATER - LATER % 900
        later = a_meter(registers=(start(at, sealed="77" * 24),))
        request = a_request(code, later, key=key)
        terms = replace(TERMS, chain=replace(TERMS.chain, openings=bills.last_openings))
        async with self.house.db.transaction() as tx:
            text = await registry_enrol.enrol(tx, request, terms, Moment(LATER, LATER))
        return EnrolmentAnswer.from_json(text)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with a_house(tmp_path) as house:
        enrolled, device = await enrol_private(house, start())
        assert (enrolled.heads[0].opening, enrolled.heads[0].starts) == ("", ())
        days = [device.tell(values) for values in DAYS]
        await take_in(house, *days)
        await publish(house, FLAT)
        yield Home(house, device, days, device.link)


async def billed(home: Home, first: int, previous: bytes) -> ProvedBill:
    bill = bill_over(home.device, home.days[first : first + 5], FLAT, previous=previous)
    answer = await home.house.post("/v1/private-bills", None, statement_json(bill))
    assert answer.status_code == 201, pretty(answer)
    return bill


async def test_the_seal_key_is_given_its_days_and_bills(home: Home) -> None:
    bill = await billed(home, 0, home.link)
    page = await home.page()
    assert page.bills == (bill,)
    assert page.after is None
    assert [day.seq for day in page.days] == [1, 2, 3, 4, 5]
    for day, told in zip(home.days, page.days, strict=True):
        assert told.backup == day.seal.envelope.parcel.backup
        assert told.commitments == tuple(r.commitment for r in day.seal.records)
        assert told.qualities == bytes(r.quality for r in day.seal.records)
        assert (told.revision, told.state) == (0, "verified")


async def test_pages_together_are_the_whole_and_nothing_twice(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = await billed(home, 0, home.link)
    monkeypatch.setattr(history, "DAYS_A_PAGE", 2)
    monkeypatch.setattr(history, "BILLS_A_PAGE", 1)
    days, told, after = list[int](), list[ProvedBill](), 0
    for _ in range(9):
        page = await home.page(after)
        days += [day.seq for day in page.days]
        told += page.bills
        if page.after is None:
            break
        after = page.after
    assert (days, told) == ([1, 2, 3, 4, 5], [bill])


async def test_strangers_old_requests_and_other_registers_get_nothing(
    home: Home,
) -> None:
    for answer, status in (
        (await home.asks(a_key("stranger")), 403),
        (await home.asks(at=LATER - LIFE_S - 1), 403),
        (await home.asks(at=LATER + LIFE_S + 1), 403),
        (await home.asks(after=1, sent={"after": 0}), 403),
        (await home.asks(sent={"meter": "00" * 16}), 404),
        (await home.asks(sent={"register": 1}), 404),
        (await home.asks(sent={"signature": "00"}), 422),
        (await home.asks(sent={"extra": 1}), 422),
    ):
        assert answer.status_code == status, pretty(answer)
        assert home.days[0].seal.envelope.parcel.backup.hex() not in answer.text


async def test_a_key_that_was_replaced_gets_nothing_any_more(home: Home) -> None:
    fresh = a_key("successor")
    await home.replace(fresh)
    assert (await home.asks()).status_code == 403
    assert len((await home.page(key=fresh)).days) == 5


async def test_a_successor_is_told_the_last_opening_and_the_sealed_starts(
    home: Home,
) -> None:
    (head,) = (await home.replace(a_key("one"))).heads
    assert (head.seq, head.opening) == (5, home.link.hex()), "nothing was opened yet"
    assert head.starts == ((BEGAN, SEALED),)
    home.device.key = a_key("one")
    bill = await billed(home, 0, home.link)
    (head,) = (await home.replace(a_key("two"))).heads
    assert head.opening == bill.statement.digest().hex()
    assert head.starts == ((BEGAN, SEALED), (LATER - LATER % 900, "77" * 24))


@pytest.mark.parametrize("change", [{"sealed": "00"}, {"mode": 0, "bits": 0}])
async def test_a_start_that_cannot_be_one_is_refused(
    home: Home, change: dict[str, Any]
) -> None:
    code = await home.house.registry.code(agent="home-2", expires_at=LATER + 60)
    meter = a_meter("SDM-2", registers=(start(**change),))
    request = a_request(code, meter)
    answer = await home.house.post("/v1/enrolments", None, request.to_json())
    assert answer.status_code == 422, pretty(answer)
    assert "sealed" in answer.text
