"""What a device nets of what neighbours delivered: one bit a slot, once, and no more."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meterseal_agent.outbox import days, memory
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.seal.billing import Household
from meterseal_agent.seal.netting import Nettings
from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_proto import netting_message
from meterseal_proto.commitment import Slot, commit
from meterseal_proto.committed import openings_of
from meterseal_proto.errors import Reason
from meterseal_proto.netting import (
    NettedDay,
    Netting,
    ProvedNetting,
    check_netting,
)
from meterseal_proto.receipt import Receipt, Refusal
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from meterseal_proto.units import EXPORT, IMPORT, MeterId
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.livedhome import END, FIRST, LATE, USAGE, asleep_in, live_at, wake
from tests.support.private_home import (
    AGENT,
    DAY_S,
    METER,
    PrivateHome,
    readings,
)

SHORTEST = 2


@dataclass
class Device:
    """A home with accepted days, asked what may be netted."""

    home: PrivateHome
    willing: bool = True

    @property
    def nettings(self) -> Nettings:
        registers = {(METER, IMPORT): 16}
        house = Household(GENESIS.network, registers, SHORTEST)
        return Nettings(self.home.outbox, KEYS, house, registers, willing=self.willing)

    @property
    def chain(self) -> Chain:
        (chain,) = self.home.outbox.chains()
        return chain

    @property
    def days(self) -> list[KeptDay]:
        return self.home.outbox.days_between(self.chain, FIRST, END)

    def used(self, day: int, place: int) -> int:
        value = self.days[day].values[place]
        assert value is not None
        return value

    def asking(self, *slots: Sequence[tuple[int, int]]) -> Netting:
        """Return what asks for (place, Wh) of the first day, the second and so on."""
        kept = self.days
        asked = tuple(
            NettedDay(kept[n].hash, kept[n].first, kept[n].step, tuple(day))
            for n, day in enumerate(slots)
            if day
        )
        return Netting(GENESIS.network, METER, IMPORT, FIRST, END, asked)

    def told(self) -> dict[int, object]:
        return dict(self.home.outbox.netted(self.chain, 0, LATE))

    def proves(self, asked: Netting) -> ProvedNetting:
        """Answer as the duty does, the prover in this process."""
        nettings = self.nettings
        netting = nettings.decide(asked)
        assert netting is not None
        proofs = []
        for day in netting.days:
            job = nettings.job(netting, day)
            assert job is not None
            proofs.append(proof_of(to_bytes(job)))
        return nettings.sign(netting, proofs)

    def check(self, proved: ProvedNetting) -> None:
        """Check an answer as everybody can, over what the seals committed to."""
        seen = {}
        for day in self.days:
            revision = self.home.outbox.revision(day)
            place = Slot(GENESIS.network, METER, IMPORT, day.first, day.step, revision)
            opened = openings_of(place, day.values, KEYS.root.blind_key(METER))
            seen[day.hash] = [commit(one.value, one.blinding) for one in opened]
        bits = dict.fromkeys(seen, 16)
        check_netting(proved, seen, bits, KEYS.seal_key.public)


def fail(home: PrivateHome, day: KeptDay) -> None:
    """Say that an accepted day's proof does not hold."""
    refusal = Refusal(METER, IMPORT, day.seq, day.hash, Reason.PROOF)
    home.take([Receipt(GENESIS.network, AGENT, LATE, (), (refusal,))], LATE)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files of a home whose days are accepted, before its last reading."""
    return live_at(tmp_path_factory.mktemp("lived") / "home")


@pytest.fixture
def asleep(tmp_path: Path, lived: Path) -> Iterator[Device]:
    with asleep_in(tmp_path / "home", lived) as home:
        yield Device(home)


@pytest.fixture
def device(asleep: Device) -> Device:
    wake(asleep.home)
    return asleep


def test_slots_that_used_enough_are_netted_and_the_others_are_left_out_whole(
    device: Device,
) -> None:
    exact, less = device.used(0, 3), device.used(0, 7)
    asked = device.asking([(3, exact), (7, less + 1), (50, 1)], [(0, 60_000)], [(9, 2)])
    proved = device.proves(asked)
    assert [day.slots for day in proved.netting.days] == [
        ((3, exact), (50, 1)),
        ((9, 2),),
    ]
    assert proved.netting.part_of(asked)
    device.check(proved)


def test_asked_again_after_a_kill_the_same_slots_are_netted(device: Device) -> None:
    asked = device.asking([(3, 900), (4, 50_000)], [], [(9, 2)])
    first = device.nettings.decide(asked)
    device.home.kill()
    assert device.nettings.decide(asked) is None, "before a reading"
    device.home.read(readings([*USAGE, 1_000])[-1:])
    proved = device.proves(asked)
    assert proved.netting == first
    device.check(proved)
    assert device.proves(asked).consent == proved.consent


def test_who_asks_again_with_other_wh_is_told_nothing_more(device: Device) -> None:
    used = device.used(0, 5)
    first = device.nettings.decide(device.asking([(5, used + 1)]))
    assert first is not None
    assert first.days == ()
    for wh in (1, used - 1, used, used + 1, used + 2):
        again = device.nettings.decide(device.asking([(5, wh), (6, 1)]))
        assert again is not None
        assert again.days == (), wh


def test_a_slot_that_was_netted_is_not_netted_with_other_wh(device: Device) -> None:
    first = device.nettings.decide(device.asking([(5, 1_000)]))
    assert first is not None
    assert first.wh == 1_000
    for wh in (1, 999, 1_001):
        again = device.nettings.decide(device.asking([(5, wh)]))
        assert again is not None
        assert again.days == (), wh


def test_what_was_told_is_on_disk_before_it_is_told(device: Device) -> None:
    device.nettings.decide(device.asking([(5, 1_000), (6, 60_000)]))
    assert device.told() == {FIRST: {5: (1_000, True), 6: (60_000, False)}}


def test_what_was_told_never_changes_and_goes_with_its_day(device: Device) -> None:
    device.nettings.decide(device.asking([(5, 1_000)]))
    path = device.home.folder / "outbox.sqlite"
    with closing(sqlite3.connect(path)) as other:
        for sql in ("DELETE FROM netted", "UPDATE netted SET slots = x''"):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(sql)
    with pytest.raises(sqlite3.IntegrityError):
        device.home.outbox.keep_netted(device.chain, {FIRST: {7: (1, True)}})
    device.home.outbox.prune(now=FIRST + days.KEEP_S)
    assert len(device.told()) == 1
    device.home.outbox.prune(now=FIRST + days.KEEP_S + 1)
    assert device.told() == {}


def test_an_outbox_of_before_nets_too(device: Device) -> None:
    device.home.outbox.close()
    with closing(sqlite3.connect(device.home.folder / "outbox.sqlite")) as old:
        old.executescript("DROP TABLE netted; PRAGMA user_version = 5;")
    device.home._open()
    device.home.read(readings([*USAGE, 1_000])[-1:])
    found = device.nettings.decide(device.asking([(3, 1)]))
    assert found is not None
    assert found.wh == 1


def test_a_home_that_does_not_want_it_nets_nothing_and_tells_nothing(
    device: Device,
) -> None:
    device.willing = False
    asked = device.asking([(3, 1)], [(4, 1)])
    proved = device.proves(asked)
    assert proved.netting == replace(asked, days=())
    device.check(proved)
    assert device.told() == {}


def test_of_a_period_too_short_for_a_bill_nothing_is_netted(device: Device) -> None:
    asked = replace(device.asking([(3, 1)]), end=FIRST + DAY_S)
    found = device.nettings.decide(asked)
    assert found == replace(asked, days=())
    assert device.told() == {}


def test_before_the_first_reading_since_the_start_nothing_is_said(
    asleep: Device,
) -> None:
    assert asleep.nettings.decide(asleep.asking([(3, 1)])) is None
    wake(asleep.home)
    assert asleep.nettings.decide(asleep.asking([(3, 1)])) is not None


def test_a_period_that_is_not_over_waits(device: Device) -> None:
    asked = replace(device.asking([(3, 1)]), end=END + 2 * DAY_S)
    assert device.nettings.decide(asked) is None
    assert device.nettings.decide(replace(asked, end=END - 900)) is None
    assert device.told() == {}


@pytest.mark.parametrize(
    "strange",
    [
        {"meter": MeterId(bytes(16))},
        {"register": EXPORT},
        {"network": bytes(32)},
    ],
)
def test_of_a_register_that_is_none_of_ours_nothing_is_said(
    device: Device, strange: dict[str, object]
) -> None:
    asked = device.asking([(3, 1)])
    other = replace(asked, **strange)  # type: ignore[arg-type]  # one of its fields
    assert device.nettings.decide(other) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"header": bytes(32)},
        {"first": FIRST + 900},
        {"step": 300},
    ],
)
def test_a_day_that_is_not_as_its_seal_has_it_is_left_out(
    device: Device, wrong: dict[str, object]
) -> None:
    asked = device.asking([(3, 1)], [(4, 1)])
    strange = replace(asked.days[0], **wrong)  # type: ignore[arg-type]  # one of its fields
    found = device.nettings.decide(replace(asked, days=(strange, asked.days[1])))
    assert found is not None
    assert found.days == asked.days[1:]
    assert list(device.told()) == [FIRST + DAY_S]


def test_slots_beyond_the_end_of_their_day_are_no_slots_of_it(device: Device) -> None:
    last = device.asking([], [], [], [(3, 1)])
    beyond = replace(last.days[0], slots=((3, 1), (96, 1)))
    longer = replace(last, end=END + DAY_S, days=(beyond,))
    found = device.nettings.decide(longer)
    assert found is not None
    assert found.days == ()


def test_a_day_that_was_told_anew_is_netted_as_it_was_told_last(
    device: Device,
) -> None:
    asked = device.asking([(3, 900), (4, 60_000)], [(5, 1)])
    before = device.nettings.decide(asked)
    assert before is not None
    fail(device.home, device.days[0])
    assert device.nettings.decide(asked) is None, "no accepted day is in its place"
    assert device.nettings.job(before, before.days[0]) is None
    assert device.home.committer.cut() == 1
    device.home.accept(LATE)
    late = device.nettings.decide(asked)
    assert late is not None
    assert late.days == before.days[1:], "an old telling is left out"
    assert device.nettings.job(before, before.days[0]) is None
    anew = device.asking([(3, 900), (4, 60_000)], [(5, 1)])
    assert anew.days[0].header != asked.days[0].header
    proved = device.proves(anew)
    assert [day.slots for day in proved.netting.days] == [((3, 900),), ((5, 1),)]
    device.check(proved)
    other = device.nettings.decide(device.asking([(3, 901), (4, 1)]))
    assert other is not None
    assert other.days == (), "it is the same day's usage"


def test_a_day_that_came_back_without_its_usage_nets_nothing(device: Device) -> None:
    asked = device.asking([(3, 900)])
    device.nettings.decide(asked)
    day = device.days[0]
    bare = {day.hash: replace(day, values=(None,) * len(day.values))}
    before = device.home.outbox.netted(device.chain, FIRST, END)
    assert device.nettings._told(device.chain, asked, bare, before).days == ()


def test_days_of_which_another_disk_may_have_told_are_left_out(
    device: Device,
) -> None:
    box, third = device.home.outbox, FIRST + 2 * DAY_S
    asked = device.asking([(3, 1)], [(3, 1)], [(3, 1)], [(3, 1)])
    device.nettings.decide(device.asking([(3, 1)]))
    with box._file.transaction() as tx:
        memory.hold(tx, device.chain.id, third)
    in_doubt = device.nettings.decide(asked)
    with box._file.transaction() as tx:
        memory.check(tx, device.chain.id, bytes(32), third)
    checked = device.nettings.decide(asked)
    first, _, *later = asked.days
    assert in_doubt == checked == replace(asked, days=(first, *later))


def test_days_that_do_not_fit_a_message_are_not_told_and_may_be_asked_about_again(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = device.asking([(3, 1)], [(3, 60_000)], [(4, 1)], [(5, 1)])
    monkeypatch.setattr(netting_message, "MAX_MESSAGE_BYTES", 256 + 2 * 509 - 1)
    found = device.nettings.decide(asked)
    assert found is not None
    assert found.days == asked.days[:1]
    assert list(device.told()) == [FIRST, FIRST + DAY_S]
    assert device.nettings.decide(asked) == found
    monkeypatch.setattr(netting_message, "MAX_MESSAGE_BYTES", MAX_MESSAGE_BYTES)
    rest = device.nettings.decide(device.asking([], [], [(4, 2)]))
    assert rest is not None
    assert rest.wh == 2


def test_a_slot_the_meter_did_not_tell_nets_nothing(tmp_path: Path) -> None:
    with closing(PrivateHome(tmp_path / "home")) as home:
        seen = readings(USAGE)
        silent = (FIRST - BEGAN_AT) // 900 + 10
        home.read([*seen[:silent], *seen[silent + 4 :]])
        while home.committer.cut():
            home.accept(LATE)
        device = Device(home)
        missing = [at for at, one in enumerate(device.days[0].values) if one is None]
        assert missing
        found = device.nettings.decide(device.asking([(at, 1) for at in missing]))
        assert found is not None
        assert found.days == ()
