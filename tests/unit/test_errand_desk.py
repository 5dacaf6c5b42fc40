"""What private meters tell beside seals at the aggregator: believed by its signatures only."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import bills, proofs, tariffs
from meterseal_aggregator.privacy.errands import desk as module
from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.privacy.errands.desk import (
    BURST_BYTES,
    MAX_OF_ONE,
    MAX_QUEUED,
    ErrandDesk,
)
from meterseal_aggregator.privacy.errands.model import BillRequest, State
from meterseal_aggregator.privacy.trustees.pinned import pin
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errand import (
    BillAsked,
    BillRefused,
    Errand,
    NoBill,
    SeedDeposits,
    TariffKnown,
    encode_errand,
)
from meterseal_proto.keys import RootSecret
from meterseal_proto.seedbox import deposited
from meterseal_proto.units import MeterId
from tests.support.committed import SEEDS, CommittedDevice, Day, bill_over, flat
from tests.support.committed import committed_device as a_device
from tests.support.devices import GENESIS
from tests.support.errands import PINNED, TRUSTEES, trustee
from tests.support.frontdesk import NOW, FrontDesk, front_desk

FLAT = flat(250_000)
VALUES = [40 + n for n in range(24)]


@dataclass
class Room:
    """Two private homes, one with two verified days, and the desk they talk to."""

    front: FrontDesk
    desk: ErrandDesk
    home: CommittedDevice
    other: CommittedDevice
    days: list[Day]
    bill: ProvedBill

    @property
    def asked(self) -> BillAsked:
        first, last = self.days[0].seal.header, self.days[-1].seal.header
        return BillAsked(
            self.home.meter, self.home.register, first.first, last.end, FLAT.hash()
        )

    async def tell(self, errand: Errand | bytes, agent: str = "pi-1") -> bool:
        payload = errand if isinstance(errand, bytes) else encode_errand(errand)
        assert self.desk.take(agent, payload)
        return await self.desk.keep_taken() == 1

    async def ask(self) -> BillRequest:
        async with self.front.database.transaction() as tx:
            return await store.ask(tx, self.home.register_id, self.asked, NOW)

    async def request(self) -> BillRequest:
        async with self.front.database.reading() as tx:
            (found,) = await store.of_register(
                tx, self.home.register_id, after=0, limit=10
            )
        return found

    def refusal(self, why: NoBill = NoBill.TOO_SHORT) -> BillRefused:
        return BillRefused.sign(self.home.key, GENESIS.network, self.asked, why)

    def seeds(self, home: CommittedDevice | None = None) -> SeedDeposits:
        of = home or self.home
        first, second, third = [
            deposited(of.key, GENESIS.network, of.meter, one, SEEDS) for one in TRUSTEES
        ]
        return SeedDeposits((first, second, third))


HOME, OTHER = a_device(1), a_device(2, agent="pi-2")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Day]]:
    """Return a database in which the home told two days, and the days."""
    folder = tmp_path_factory.mktemp("lived")
    days = [HOME.tell(VALUES), HOME.tell(VALUES)]

    async def live() -> None:
        async with front_desk(folder, [HOME, OTHER]) as front:
            assert await front.deliver("pi-1", [day.payload for day in days])
            await proofs.run_once(front.database, GENESIS, NOW, set_aside)
            async with front.database.transaction() as tx:
                await pin(tx, PINNED)
                await tariffs.publish(tx, FLAT.document(), now=NOW)

    with ThreadPoolExecutor(1) as other:  # the tests have a loop of their own
        other.submit(asyncio.run, live()).result()
    return folder, days


@pytest.fixture
async def room(tmp_path: Path, lived: tuple[Path, list[Day]]) -> AsyncIterator[Room]:
    folder, days = lived
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    async with front_desk(tmp_path) as front:
        desk = ErrandDesk(front.database, GENESIS, lambda: NOW)
        yield Room(front, desk, HOME, OTHER, days, bill_over(HOME, days, FLAT))


async def test_a_bill_is_taken_by_the_rules_of_bills_and_settles_its_request(
    room: Room,
) -> None:
    await room.ask()
    assert await room.tell(room.bill)
    found = await room.request()
    async with room.front.database.reading() as tx:
        (kept,) = await bills.of_register(tx, room.home.register_id, GENESIS)
    assert (found.state, found.bill) == (State.BILLED, kept.id)
    assert kept.bill == room.bill
    assert await room.tell(room.bill), "again is the same"
    assert await room.front.count("private_bills") == 1


async def test_a_bill_that_came_over_http_settles_its_request_too(room: Room) -> None:
    await room.ask()
    await bills.take(room.front.database, room.bill, GENESIS, NOW)
    assert (await room.request()).state is State.BILLED


async def test_what_is_asked_for_after_its_bill_came_is_billed_at_once(
    room: Room,
) -> None:
    assert await room.tell(room.bill)
    assert (await room.ask()).state is State.BILLED


async def test_a_wrong_bill_is_not_taken_and_its_request_says_why(room: Room) -> None:
    await room.ask()
    wrong = bill_over(room.home, room.days, FLAT, amount=1)
    assert not await room.tell(wrong)
    found = await room.request()
    assert (found.state, found.not_taken) == (State.ASKED, "not-proved")
    assert room.desk.tally.refused == {"not-proved": 1}
    assert await room.front.count("private_bills") == 0


async def test_another_agents_bill_is_not_looked_at(room: Room) -> None:
    await room.ask()
    assert not await room.tell(room.bill, "pi-2")
    assert (await room.request()).not_taken is None


async def test_a_no_is_the_devices_own_for_this_network_and_this_bill(
    room: Room,
) -> None:
    await room.ask()
    no = room.refusal()
    stranger = RootSecret(bytes(31) + b"\x09").seal_key()
    for wrong in (
        BillRefused.sign(stranger, GENESIS.network, room.asked, NoBill.TOO_SHORT),
        BillRefused.sign(room.home.key, bytes(32), room.asked, NoBill.TOO_SHORT),
        replace(no, why=NoBill.OVERLAP),
        replace(no, asked=replace(room.asked, end=room.asked.end + 900)),
        replace(no, asked=replace(room.asked, meter=MeterId(bytes(16)))),
        replace(no, asked=replace(room.asked, meter=room.other.meter)),
    ):
        assert not await room.tell(wrong)
        assert (await room.request()).state is State.ASKED
    assert not await room.tell(no, "pi-2")
    assert await room.tell(no)
    found = await room.request()
    assert (found.state, found.why) == (State.REFUSED, NoBill.TOO_SHORT)
    ((signature,),) = await room.front.rows("SELECT signature FROM bill_requests")
    assert signature == no.signature, "it is kept as evidence"


async def test_a_no_that_nobody_asked_for_leaves_nothing(room: Room) -> None:
    await room.tell(room.refusal())
    assert await room.front.count("bill_requests") == 0


async def test_a_no_is_final_until_it_is_asked_anew_and_a_bill_settles_it(
    room: Room,
) -> None:
    await room.ask()
    await room.tell(room.refusal())
    await room.tell(room.refusal(NoBill.OVERLAP))
    assert (await room.request()).why is NoBill.TOO_SHORT
    assert (await room.ask()).state is State.ASKED
    await room.tell(room.refusal(NoBill.OVERLAP))
    assert (await room.request()).why is NoBill.OVERLAP
    assert await room.tell(room.bill)
    assert (await room.ask()).state is State.BILLED
    await room.tell(room.refusal())
    assert (await room.request()).state is State.BILLED


async def test_seeds_are_taken_once_from_their_own_agent(room: Room) -> None:
    seeds = room.seeds()
    assert not await room.tell(seeds, "pi-2")
    assert await room.tell(seeds)
    assert await room.tell(seeds), "the same again"
    assert not await room.tell(room.seeds()), "others never"
    assert await room.front.count("seed_deposits") == 1
    assert room.desk.tally.refused == {"no-such-register": 1, "equivocation": 1}


async def test_seeds_for_other_trustees_or_under_another_key_are_not_taken(
    room: Room,
) -> None:
    strange = [trustee(0), trustee(1), trustee(2, lot=1)]
    first, second, third = [
        deposited(room.home.key, GENESIS.network, room.home.meter, one, SEEDS)
        for one in strange
    ]
    assert not await room.tell(SeedDeposits((first, second, third)))
    assert not await room.tell(room.seeds(replace(room.home, key=room.other.key)))
    assert await room.front.count("seed_deposits") == 0
    assert await room.front.count("seeds_heard") == 0


async def test_a_tariff_is_known_to_who_was_told_of_it(room: Room) -> None:
    known = TariffKnown(FLAT.hash())
    await room.tell(known)
    assert await room.front.count("tariffs_told") == 0
    async with room.front.database.transaction() as tx:
        await store.note_told(tx, [("pi-1", FLAT.hash())], NOW)
    await room.tell(known, "pi-2")
    await room.tell(known)
    rows = await room.front.rows("SELECT agent, known_at FROM tariffs_told")
    assert rows == [("pi-1", NOW)]


async def test_what_is_no_errand_is_counted_and_forgotten(room: Room) -> None:
    for wrong in (b"", b"\xff", encode_errand(room.bill)[:-1]):
        assert not await room.tell(wrong)
    assert room.desk.tally.refused == {"malformed": 3}


async def test_without_trustees_seeds_are_let_go_and_come_again(
    tmp_path: Path,
) -> None:
    home = a_device(1)
    async with front_desk(tmp_path, [home]) as front:
        desk = ErrandDesk(front.database, GENESIS, lambda: NOW)
        first, second, third = [
            deposited(home.key, GENESIS.network, home.meter, one, SEEDS)
            for one in TRUSTEES
        ]
        payload = encode_errand(SeedDeposits((first, second, third)))
        assert desk.take("pi-1", payload)
        assert await desk.keep_taken() == 0
        assert desk.tally.refused == {"unavailable": 1}
        async with front.database.transaction() as tx:
            await pin(tx, PINNED)
        assert desk.take("pi-1", payload)
        assert await desk.keep_taken() == 1


async def test_one_agent_fills_neither_the_queue_nor_everybodys_time(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = room.desk
    taken = [desk.take("pi-1", b"x") for _ in range(MAX_OF_ONE + 1)]
    assert taken == [True] * MAX_OF_ONE + [False]
    assert desk.take("pi-2", b"x")
    await desk.keep_taken()
    large = bytes(60_000)
    most = BURST_BYTES // len(large)
    found = []
    for _ in range(most + 1):
        found.append(desk.take("pi-1", large))
        await desk.keep_taken()
    assert found[-1] is False
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    assert [desk.take(f"pi-{n}", b"x") for n in range(5, 9)] == [True] * 3 + [False]
    assert MAX_QUEUED > MAX_OF_ONE


async def test_an_amount_is_in_no_table_but_the_bills_own(room: Room) -> None:
    await room.ask()
    await room.tell(room.bill)
    amount = str(room.bill.statement.amount)
    for table in ("bill_requests", "seeds_heard", "tariffs_told"):
        rows = await room.front.rows(f"SELECT * FROM {table}")  # noqa: S608
        assert amount not in str(rows)
