"""What is believed of a dead device's days and openings: what the log proves, and no more."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.keystore import KeyEpoch, Keys
from meterseal_agent.outbox.memory import Memory
from meterseal_agent.outbox.model import KeptDay, Start
from meterseal_agent.outbox.restoring import Forked, Past, Restoring
from meterseal_agent.seal.history import (
    check_fresh,
    first_link,
    known_since,
    proved_days,
    proved_openings,
    sum_since,
)
from meterseal_agent.seal.logbook import Logbook, NotProved, Pages
from meterseal_proto import backup
from meterseal_proto.bill import ProvedBill
from meterseal_proto.committed import header_over, openings_of, records_of
from meterseal_proto.entry import KeyEvent, Opening
from meterseal_proto.history import HistoryDay
from meterseal_proto.keys import RootSecret
from meterseal_proto.seal import Header
from meterseal_proto.units import IMPORT, Quality
from tests.support.committed import (
    CommittedDevice,
    Day,
    bill_over,
    committed_device,
    flat,
)
from tests.support.devices import BEGAN_AT, GENESIS

ROOT = RootSecret((1).to_bytes(32))
FLAT, OTHER = flat(250_000), flat(100_000, "other")
VALUES = [5, 6, 7]


def event(device: CommittedDevice, **change: object) -> KeyEvent:
    start = device.start
    made = KeyEvent(
        GENESIS.network, device.meter, IMPORT, "secp256k1", device.key.public.raw, 1,
        start.step, 0, start.at, mode=start.mode, bits=start.bits,
    )  # fmt: skip
    return replace(made, **change)  # type: ignore[arg-type] # its own fields


@pytest.fixture
def device() -> CommittedDevice:
    return committed_device()


@pytest.fixture
def days(device: CommittedDevice) -> list[Day]:
    return [device.tell(VALUES) for _ in range(3)]


def chained(device: CommittedDevice, days: Sequence[Day]) -> list[ProvedBill]:
    """Return a bill a day, each naming the one before."""
    found: list[ProvedBill] = []
    last = device.link
    for day in days:
        found.append(bill_over(device, [day], FLAT, previous=last))
        last = found[-1].statement.digest()
    return found


def pages(device: CommittedDevice, bills: Sequence[ProvedBill]) -> Pages:
    return Pages([event(device)], [], [Opening.of(bill) for bill in bills])


def test_a_chain_that_the_log_has_is_believed_in_its_order(
    device: CommittedDevice, days: list[Day]
) -> None:
    bills = chained(device, days)
    assert first_link(pages(device, bills)) == device.link
    assert proved_openings(pages(device, bills), bills[::-1]) == bills


def test_two_openings_after_one_are_a_fork_also_in_the_log(
    device: CommittedDevice, days: list[Day]
) -> None:
    one, two, _ = chained(device, days)
    twin = bill_over(device, [days[1]], OTHER, previous=one.statement.digest())
    for found in ([one, two, twin], [two, one], [two], [twin]):
        with pytest.raises(NotProved, match="forked"):
            proved_openings(pages(device, found), found)


def test_a_bill_no_key_of_the_register_signed_is_not_believed(
    device: CommittedDevice, days: list[Day]
) -> None:
    stranger = replace(device, key=committed_device(9).key)
    (bill, *_) = chained(stranger, days)
    with pytest.raises(NotProved, match="no key of the register signed"):
        proved_openings(pages(device, [bill]), [bill])


def test_a_changed_bill_is_another_bill(
    device: CommittedDevice, days: list[Day]
) -> None:
    (bill, *_) = chained(device, days)
    lie = replace(bill, statement=replace(bill.statement, amount=1))
    with pytest.raises(NotProved, match="does not give that bill"):
        proved_openings(pages(device, [bill]), [lie])
    with pytest.raises(NotProved, match="not in the log"):
        proved_openings(pages(device, []), [bill])


def test_a_register_is_enrolled_once_and_first_of_all(device: CommittedDevice) -> None:
    own, later = event(device), event(device, from_seq=4)
    for wrong in ([], [later], [later, own], [own, own]):
        with pytest.raises(NotProved, match="one enrolment"):
            first_link(Pages(wrong))
    assert first_link(Pages([own, later])) == device.link


def test_a_log_is_young_enough_that_knows_this_device_and_was_seen_since_it_is_back(
    device: CommittedDevice,
) -> None:
    known, public = Pages([event(device)]), device.key.public
    book = Logbook(1, 1_000, {})
    for memory in (
        Memory(),
        Memory(1_000),
        Memory(2_000, bytes(32)),
        Memory(0, None, 5),
    ):
        assert check_fresh(book, known, public, memory) == 1_000
    with pytest.raises(NotProved, match="since this device is back"):
        check_fresh(book, known, public, Memory(1_001))
    with pytest.raises(NotProved, match="before this device was enrolled"):
        check_fresh(book, known, committed_device(9).key.public, Memory())
    with pytest.raises(NotProved, match="does not say when"):
        check_fresh(Logbook(1, None, {}), known, public, Memory())


def told(
    first: int, seq: int, values: Sequence[int | None], revision: int = 0
) -> tuple[Header, HistoryDay]:
    """Return a day as the log and the aggregator have it."""
    one = committed_device()
    one.head = replace(one.head, end=first, seq=seq - 1)
    place = one.place(first, revision)
    openings = openings_of(place, values, ROOT.blind_key(one.meter))
    qualities = [Quality.MISSING if v is None else Quality.RAW for v in values]
    records = records_of(place, openings, qualities)
    header = header_over(one.next_header(first), records, 16)
    day = backup.Day(
        *(header.network, header.meter, header.register, first, header.step, seq)
    )
    points = b"".join(record.commitment for record in records)
    sealed = backup.keep(ROOT.store_key, day, values)
    return header, HistoryDay(
        seq, revision, points, bytes(qualities), "verified", sealed
    )


def brought(
    *found: tuple[Header, HistoryDay],
) -> tuple[list[tuple[int, bool]], list[int]]:
    given = {day.seq: day for _, day in found}
    back = proved_days(ROOT, Pages([], [h for h, _ in found]), given, (1, 1))
    return [(day.seq, failed) for day, failed in back.days], sorted(back.lost)


def test_a_day_told_again_stands_in_its_last_telling() -> None:
    first, again = told(BEGAN_AT, 1, VALUES), told(BEGAN_AT, 3, VALUES, 1)
    between = told(BEGAN_AT + 2_700, 2, [1, None])
    assert brought(first, between, again) == ([(1, True), (2, False), (3, False)], [])
    header, day = again
    failed = header, replace(day, state="failed")
    assert brought(first, between, failed) == ([(1, True), (2, False), (3, True)], [])


def test_a_telling_whose_forerunner_is_missing_is_lost_with_it() -> None:
    header, day = told(BEGAN_AT, 1, VALUES)
    again = told(BEGAN_AT, 2, VALUES, 1)
    gone = header, replace(day, backup=b"")
    assert brought(gone, again) == ([], [BEGAN_AT])


@pytest.mark.parametrize(
    "change",
    [
        {"backup": b""},
        {"backup": bytes(818)},
        {"backup": b"x"},
        {"points": bytes(99)},
        {"qualities": bytes([Quality.QUESTIONABLE] * 3)},
        {"revision": 1},
    ],
)
def test_a_day_of_which_anything_differs_is_lost(change: dict[str, object]) -> None:
    header, day = told(BEGAN_AT, 1, VALUES)
    other = replace(day, **change)  # type: ignore[arg-type] # its own fields
    assert brought((header, other)) == ([], [BEGAN_AT])


def kept(
    first: int, values: Sequence[int | None], *, failed: bool = False
) -> tuple[KeptDay, bool]:
    count = len(values)
    day = KeptDay(1, 1, first, 900, 0, tuple(values), (14,) * count, 0, bytes(32))
    return day, failed


def test_what_was_used_is_known_where_days_fill_the_time_and_else_nobody_knows() -> (
    None
):
    days = [kept(0, [1, 2, None]), kept(2_700, [4, 5]), kept(4_500, [9], failed=True)]
    assert sum_since(days, 0, 4_500) == 12
    assert sum_since(days[::-1], 900, 3_600) == 6
    assert sum_since(days, 0, 5_400) is None
    assert sum_since(days[1:], 0, 4_500) is None
    assert sum_since([], 900, 900) == 0


def test_a_tariff_was_known_before_the_first_period_that_was_billed_by_it(
    device: CommittedDevice, days: list[Day]
) -> None:
    bills = chained(device, days)
    own, read_at = [device.key.public], BEGAN_AT + 90 * 86_400
    since = known_since(bills[1:], own, at=read_at)
    assert since == {FLAT.hash(): bills[1].statement.begin}


def test_a_bill_under_a_key_of_the_logs_own_making_makes_no_tariff_older(
    device: CommittedDevice, days: list[Day]
) -> None:
    """Whoever keeps the log can put a key into it, and a bill of long ago under that key."""
    rogue = replace(device, key=committed_device(9).key)
    forged = bill_over(rogue, [days[0]], FLAT, previous=device.link)
    later = [days[1]]
    bills = [
        forged, bill_over(device, later, OTHER, previous=forged.statement.digest())
    ]  # fmt: skip
    told = pages(device, bills)
    told.keys.append(event(rogue, from_seq=2))
    assert proved_openings(told, bills) == bills, "the log says so"
    read_at = BEGAN_AT + 90 * 86_400
    since = known_since(bills, [device.key.public], at=read_at)
    assert since == {FLAT.hash(): read_at, OTHER.hash(): bills[1].statement.begin}


def test_the_keys_of_a_root_secret_are_those_up_to_its_epoch() -> None:
    keys = Keys(ROOT, KeyEpoch(number=2))
    of = [ROOT.seal_key(keys.epoch.algorithm, n).public for n in range(4)]
    assert of[3] not in keys.publics
    assert set(of[:3]) <= set(keys.publics)


@pytest.fixture
def box(device: CommittedDevice, tmp_path: Path) -> Iterator[Restoring]:
    path = tmp_path / "outbox.sqlite"
    with closing(Restoring(path, registers=1, network=GENESIS.network)) as made:
        made.enrol([Start(device.meter, IMPORT, 900, 1, device.head, 16)])
        made.learn_tariff(FLAT.hash(), FLAT.document(), now=BEGAN_AT)
        made.learn_tariff(OTHER.hash(), OTHER.document(), now=BEGAN_AT)
        yield made


@pytest.mark.parametrize("own", [[], [0], [1], [2], [0, 1], [1, 2], [0, 1, 2]])
def test_openings_come_back_before_and_after_those_that_are_there(
    box: Restoring, device: CommittedDevice, days: list[Day], own: list[int]
) -> None:
    bills = chained(device, days)
    (chain,) = box.chains()
    for at in own:
        box.keep_opening(chain, bills[at])
    box.bring_back(chain, Past((), bills, device.link, {}), at=1)
    assert box.openings(chain) == bills
    box.bring_back(chain, Past((), bills[:2], device.link, {}), at=2)
    assert box.openings(chain) == bills, "one that is on its way to the log stays last"


def test_openings_that_part_leave_no_trace(
    box: Restoring, device: CommittedDevice, days: list[Day]
) -> None:
    one, two, three = chained(device, days)
    twin = bill_over(device, [days[1]], OTHER, previous=one.statement.digest())
    (chain,) = box.chains()
    box.keep_opening(chain, one)
    box.keep_opening(chain, twin)
    with pytest.raises(Forked, match="in its place"):
        box.bring_back(chain, Past((), [one, two, three], device.link, {}), at=1)
    assert box.openings(chain) == [one, twin]
    assert box.remembered(chain).checked == 0


def test_an_opening_that_is_missing_between_others_is_no_history(
    box: Restoring, device: CommittedDevice, days: list[Day]
) -> None:
    one, two, three = chained(device, days)
    (chain,) = box.chains()
    box.keep_opening(chain, one)
    box.keep_opening(chain, three)
    with pytest.raises(Forked, match="missing here between others"):
        box.bring_back(chain, Past((), [one, two, three], device.link, {}), at=1)


def test_a_tariff_is_known_since_the_older_of_both_moments(
    box: Restoring, device: CommittedDevice, days: list[Day]
) -> None:
    bills = chained(device, days)
    (chain,) = box.chains()
    for since, known in ((BEGAN_AT + 5, BEGAN_AT), (BEGAN_AT - 5, BEGAN_AT - 5)):
        tariffs = {FLAT.hash(): (FLAT.document(), since)}
        box.bring_back(chain, Past((), bills, device.link, tariffs), at=1)
        assert box.tariff(FLAT.hash()) == (FLAT.document(), known)


def test_a_day_that_is_there_stays_and_another_in_its_place_is_a_fork(
    box: Restoring, device: CommittedDevice
) -> None:
    (chain,) = box.chains()
    header, given = told(BEGAN_AT, 1, VALUES)
    back = proved_days(ROOT, Pages([], [header]), {1: given}, (chain.id, 1))
    past = Past(back.days, None, device.link, {})
    assert [box.bring_back(chain, past, at=1) for _ in range(2)] == [1, 0]
    ((day, _),) = back.days
    other = Past([(replace(day, hash=bytes(32)), False)], None, device.link, {})
    with pytest.raises(Forked, match="not the one in the log"):
        box.bring_back(chain, other, at=1)
