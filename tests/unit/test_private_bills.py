"""Private bills at the aggregator: what is taken, and each way a willing device may lie."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import bills, check, proofs, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.bill import ProvedBill
from meterseal_proto.entry import Opening, open_opening_entry
from meterseal_proto.keys import RootSecret
from meterseal_proto.refinement import MAX_OPENINGS
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from tests.support.committed import (
    CommittedDevice,
    Day,
    bill_over,
    committed_device,
    flat,
)
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import FrontDesk, front_desk

SLOTS = [n * 401 % 3_001 for n in range(24)]
DAY_S = len(SLOTS) * 900
FLAT = flat(250_000)


@dataclass
class Office:
    """A front desk, one device with two verified days, and a tariff."""

    desk: FrontDesk
    device: CommittedDevice
    days: list[Day]

    async def take(self, bill: ProvedBill) -> KeptBill:
        """Take a bill as the API does."""
        async with self.desk.database.reading() as tx:
            found = await bills.gather(tx, bill, GENESIS)
        if isinstance(found, KeptBill):
            return found
        bills.check(found)
        async with self.desk.database.transaction() as tx:
            return await bills.keep(tx, found, now=1)

    async def refuses(self, bill: ProvedBill) -> Cause:
        """Return why a bill is not taken."""
        with pytest.raises(NotTaken) as caught:
            await self.take(bill)
        return caught.value.cause

    async def publish(self, tariff: Tariff) -> None:
        async with self.desk.database.transaction() as tx:
            await tariffs.publish(tx, tariff.document(), now=1)

    async def findings(self) -> list[tuple[bool, str]]:
        async with self.desk.database.reading() as tx:
            found = await check.told(tx, GENESIS)
            found += await check.findings(tx, GENESIS)
        return [(one.ok, one.detail) for one in found]

    async def verify(self) -> None:
        await proofs.run_once(self.desk.database, GENESIS, 1, set_aside)

    def bill(self, tariff: Tariff = FLAT, /, **change: Any) -> ProvedBill:
        return bill_over(self.device, self.days, tariff, **change)


@asynccontextmanager
async def an_office(
    folder: Path, *days: Sequence[int | None], verified: bool = True
) -> AsyncIterator[Office]:
    device = committed_device()
    async with front_desk(folder, [device]) as desk:
        sent = [device.tell(values) for values in days or (SLOTS, SLOTS)]
        await desk.take(*(day.by("pi-1") for day in sent))
        office = Office(desk, device, sent)
        await office.publish(FLAT)
        if verified:
            await office.verify()
        yield office


async def test_a_right_bill_is_kept_logged_and_not_told_in_the_log(
    tmp_path: Path,
) -> None:
    async with an_office(tmp_path) as office:
        bill = office.bill()
        kept = await office.take(bill)
        assert kept.bill == bill
        assert bill.statement.amount == 2 * sum(SLOTS) * 250_000
        rows = await office.desk.rows(
            "SELECT body FROM log_entries WHERE id = ?", (kept.id,)
        )
        opening = open_opening_entry(rows[0][0])
        assert opening == Opening.of(bill)
        assert str(bill.statement.amount).encode() not in rows[0][0]
        assert bill.statement.digest() not in rows[0][0]
        assert await office.take(bill) == kept
        assert await office.desk.count("private_bills") == 1
        assert all(ok for ok, _ in await office.findings())


async def test_missing_slots_cost_nothing(tmp_path: Path) -> None:
    async with an_office(tmp_path, [None, *SLOTS]) as office:
        bill = office.bill()
        assert bill.statement.amount == sum(SLOTS) * 250_000
        await office.take(bill)


async def test_missing_slots_shield_nobody(tmp_path: Path) -> None:
    """All know them to be 0: 24 slots of which 23 are told are an atom of 23."""
    async with an_office(tmp_path, [None, *SLOTS[1:]]) as office:
        assert await office.refuses(office.bill()) is Cause.TOO_FINE


async def test_a_stranger_makes_nobody_read_a_year(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        thief = replace(office.device, key=RootSecret(bytes([9]) * 32).seal_key())
        bill = bill_over(thief, office.days, FLAT)
        async with office.desk.database.reading() as tx:
            with pytest.raises(NotTaken, match="did not consent"):
                await bills.gather(tx, bill, GENESIS)
            assert tx.statements <= 3


async def test_a_rotten_day_holds_up_no_others_proof(tmp_path: Path) -> None:
    async with an_office(tmp_path, SLOTS, SLOTS, SLOTS, verified=False) as office:
        async with office.desk.database.transaction() as tx:
            await tx.rows("DROP TRIGGER commitments_are_never_changed")
            ((first,),) = await tx.rows("SELECT min(seal_id) FROM range_proofs")
            await tx.rows(
                "UPDATE commitments SET qualities = zeroblob(length(qualities))"
                " WHERE seal_id = ?",
                (first,),
            )
        await office.verify()
        rows = await office.desk.rows(
            "SELECT seal_id = ?, state FROM range_proofs ORDER BY seal_id", (first,)
        )
        assert rows == [(1, "pending"), (0, "verified"), (0, "verified")]
        with pytest.raises(Rotten):
            await office.verify()


@pytest.mark.parametrize("by", [-1, 1, 250_000, -250_000])
async def test_a_willing_device_cannot_sign_another_amount(
    tmp_path: Path, by: int
) -> None:
    """The seal key consents to anything; under X only the right amount can be signed."""
    async with an_office(tmp_path) as office:
        amount = office.bill().statement.amount + by
        assert await office.refuses(office.bill(amount=amount)) is Cause.PROOF


async def test_the_log_of_x_is_not_consent(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        thief = replace(office.device, key=RootSecret(bytes([9]) * 32).seal_key())
        assert await office.refuses(bill_over(thief, office.days, FLAT)) is Cause.PROOF


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"meter": bytes(16)}, Cause.REGISTER),
        ({"register": 1}, Cause.REGISTER),
        ({"network": bytes(32)}, Cause.REGISTER),
        ({"tariff": bytes(32)}, Cause.TARIFF),
        ({"begin": BEGAN_AT - 900}, Cause.PERIOD),
        ({"begin": BEGAN_AT + 900}, Cause.PERIOD),
        ({"end": BEGAN_AT + DAY_S}, Cause.PERIOD),
        ({"headers": ()}, Cause.PERIOD),
        ({"headers": (bytes(32), bytes(32))}, Cause.PERIOD),
        ({"previous": bytes(32)}, Cause.CHAIN),
        ({"revision": 1}, Cause.CHAIN),
    ],
)
async def test_a_bill_about_something_else_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], cause: Cause
) -> None:
    async with an_office(tmp_path) as office:
        assert await office.refuses(office.bill(**change)) is cause


async def test_days_in_another_order_or_twice_are_no_period(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        first, second = (day.digest for day in office.days)
        for headers in ((second, first), (first, first), (first,)):
            found = await office.refuses(office.bill(headers=headers))
            assert found is Cause.PERIOD


async def test_a_bill_waits_until_its_days_are_verified(tmp_path: Path) -> None:
    async with an_office(tmp_path, verified=False) as office:
        assert await office.refuses(office.bill()) is Cause.NOT_YET
        await office.verify()
        await office.take(office.bill())


async def test_a_day_whose_proof_failed_is_not_billed_but_its_revision_is(
    tmp_path: Path,
) -> None:
    device = committed_device()
    async with front_desk(tmp_path, [device]) as desk:
        day = device.day(SLOTS)
        proof = bytearray(day.seal.envelope.parcel.proof)
        proof[0] ^= 1
        bad = device.with_proof(day, bytes(proof))
        device.answered(bad)
        await desk.take(bad.by("pi-1"))
        office = Office(desk, device, [bad])
        await office.publish(FLAT)
        await office.verify()
        assert await office.refuses(office.bill()) is Cause.PERIOD
        again = device.day(SLOTS, BEGAN_AT, 1)
        await desk.take(again.by("pi-1"))
        office.days = [again]
        await office.verify()
        await office.take(office.bill())


async def test_the_unit_vector_tariff_is_refused(tmp_path: Path) -> None:
    """One interval priced, the rest free: the amount is that interval."""
    band = Band(MicroPerKwh(250_000), begin=0, end=15)
    unit = flat(0, "unit", bands=(band, Band(MicroPerKwh(0))))
    async with an_office(tmp_path, [*SLOTS, *SLOTS, *SLOTS, *SLOTS]) as office:
        await office.publish(unit)
        assert await office.refuses(office.bill(unit)) is Cause.TOO_FINE


async def test_the_tariff_250000_and_250001_is_refused(tmp_path: Path) -> None:
    """The amount modulo 250,000 is the one interval that costs 250,001."""
    band = Band(MicroPerKwh(250_001), begin=0, end=15)
    sly = flat(250_000, "sly", bands=(band, Band(MicroPerKwh(250_000))))
    async with an_office(tmp_path, [*SLOTS, *SLOTS, *SLOTS, *SLOTS]) as office:
        await office.publish(sly)
        bill = office.bill(sly)
        assert bill.statement.amount % 250_000 < 3_001
        assert await office.refuses(bill) is Cause.TOO_FINE


async def test_prices_far_apart_are_refused(tmp_path: Path) -> None:
    band = Band(MicroPerKwh(101), begin=0, end=12 * 60)
    wide = flat(1, "wide", bands=(band, Band(MicroPerKwh(1))))
    async with an_office(tmp_path, [*SLOTS, *SLOTS, *SLOTS, *SLOTS]) as office:
        await office.publish(wide)
        assert await office.refuses(office.bill(wide)) is Cause.TOO_FINE


def halves(name: str, end: int) -> Tariff:
    band = Band(MicroPerKwh(300_000), begin=0, end=end)
    return flat(200_000, name, bands=(band, Band(MicroPerKwh(200_000))))


async def test_two_near_equal_tariffs_over_one_period_are_one_too_many(
    tmp_path: Path,
) -> None:
    """Each alone keeps 24 intervals together; their difference is one interval."""
    async with an_office(tmp_path, [*SLOTS, *SLOTS, *SLOTS, *SLOTS]) as office:
        noon, later = halves("noon", 12 * 60), halves("later", 12 * 60 + 15)
        await office.publish(noon)
        await office.publish(later)
        first = office.bill(noon)
        await office.take(first)
        after = first.statement.digest()
        second = office.bill(later, previous=after, revision=1)
        assert await office.refuses(second) is Cause.TOO_FINE
        same = office.bill(FLAT, previous=after, revision=1)
        await office.take(same)
        assert all(ok for ok, _ in await office.findings())


async def test_periods_are_equal_or_disjoint(tmp_path: Path) -> None:
    async with an_office(tmp_path, SLOTS, SLOTS, SLOTS) as office:
        every = office.days
        office.days = every[:2]
        first = await office.take(office.bill())
        after = first.bill.statement.digest()
        for days in (every[1:], every[:1], every):
            office.days = days
            assert await office.refuses(office.bill(previous=after)) is Cause.PERIOD
        office.days = every[2:]
        await office.take(office.bill(previous=after))


async def test_openings_form_one_chain_and_no_fork(tmp_path: Path) -> None:
    """A restored device that forgot what it opened is refused."""
    async with an_office(tmp_path) as office:
        every = office.days
        office.days = every[:1]
        await office.take(office.bill())
        office.days = every[1:]
        assert await office.refuses(office.bill()) is Cause.CHAIN


async def test_a_period_is_opened_so_often_and_no_more(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        previous = office.device.link
        for revision in range(MAX_OPENINGS):
            bill = office.bill(FLAT, revision=revision, previous=previous)
            await office.take(bill)
            previous = bill.statement.digest()
        more = office.bill(FLAT, revision=MAX_OPENINGS, previous=previous)
        assert await office.refuses(more) is Cause.PERIOD
        later = office.device.tell(SLOTS)
        await office.desk.take(later.by("pi-1"))
        await office.verify()
        office.days = [later]
        await office.take(office.bill(FLAT, previous=previous))


async def test_two_bills_that_race_are_one_bill(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        every = office.days
        async with office.desk.database.reading() as tx:
            offers = [
                await bills.gather(tx, bill_over(office.device, [day], FLAT), GENESIS)
                for day in every
            ]
        assert not isinstance(offers[0], KeptBill)
        assert not isinstance(offers[1], KeptBill)
        async with office.desk.database.transaction() as tx:
            await bills.keep(tx, offers[0], now=1)
        with pytest.raises(NotTaken, match="came first"):
            async with office.desk.database.transaction() as tx:
                await bills.keep(tx, offers[1], now=1)
        assert await office.desk.count("private_bills") == 1
        entries = await office.desk.rows(
            "SELECT count(*) FROM log_entries WHERE substr(body, 1, 1) = x'08'"
        )
        assert entries == [(1,)]


async def test_a_guessed_amount_is_not_confirmed(tmp_path: Path) -> None:
    """The statement alone, without the device's signatures, tells a stranger nothing."""
    async with an_office(tmp_path) as office:
        bill = office.bill()
        await office.take(bill)
        right = replace(bill, consent=bytes(64))
        wrong = replace(
            bill,
            statement=replace(bill.statement, amount=bill.statement.amount + 1),
            consent=bytes(64),
        )
        assert await office.refuses(right) is await office.refuses(wrong)


async def test_the_audit_names_bills_that_tell_too_much_together(
    tmp_path: Path,
) -> None:
    """Whoever let them in: the row space of what was opened is computed anew."""
    async with an_office(tmp_path, [*SLOTS, *SLOTS, *SLOTS, *SLOTS]) as office:
        noon, later = halves("noon", 12 * 60), halves("later", 12 * 60 + 15)
        await office.publish(noon)
        await office.publish(later)
        first = office.bill(noon)
        second = office.bill(later, previous=first.statement.digest(), revision=1)
        for bill in (first, second):
            async with office.desk.database.transaction() as tx:
                found = await bills.gather(tx, bill, GENESIS)
                assert not isinstance(found, KeptBill)
                await bills.keep(tx, found, now=1)
        assert [ok for ok, _ in await office.findings()] == [False, True]


@pytest.mark.parametrize(
    "document",
    [b"{}", b"not json", FLAT.document() + b" ", flat(1, zone="No/Where").document()],
)
async def test_what_is_no_tariff_is_not_published(
    tmp_path: Path, document: bytes
) -> None:
    async with an_office(tmp_path) as office:
        async with office.desk.database.transaction() as tx:
            with pytest.raises(NotTaken) as caught:
                await tariffs.publish(tx, document, now=1)
        assert caught.value.cause is Cause.TARIFF
        assert await office.desk.count("tariffs") == 1


async def test_a_tariff_of_the_future_prices_nothing_yet(tmp_path: Path) -> None:
    async with an_office(tmp_path) as office:
        later = flat(250_000, valid_from=BEGAN_AT + 1)
        await office.publish(later)
        assert await office.refuses(office.bill(later)) is Cause.TARIFF
