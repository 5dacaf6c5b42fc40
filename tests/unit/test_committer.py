"""A committed day from records to a signed message, whatever falls between two steps."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.outbox.database import SCHEMA
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.day import leaves_at
from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_proto import backup
from meterseal_proto.commitment import opens
from meterseal_proto.committed import CommittedSeal, statement_of
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.errors import Malformed, Reason
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.rangeproof import BadProof
from meterseal_proto.receipt import Answer, Receipt, Refusal
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.secret import Secret
from meterseal_proto.totals import SEEDS, day_place, mask_of, summed, unmasked
from meterseal_proto.units import IMPORT, Quality
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.private_home import (
    AGENT,
    DAY_S,
    METER,
    SHOWS,
    PrivateHome,
    home,
    readings,
)

USAGE = [(n * 37) % 301 for n in range(192)]
LATE = BEGAN_AT + 10 * DAY_S
FIRST_DAY = (DAY_S - BEGAN_AT % DAY_S) // 900


@pytest.fixture
def one(tmp_path: Path) -> Iterator[PrivateHome]:
    with home(tmp_path / "home") as made:
        yield made


def sent(one: PrivateHome, now: int = LATE) -> CommittedSeal:
    (stored,) = one.due(now)
    return decode_committed(stored.payload, GENESIS.network)


def told(one: PrivateHome) -> CommittedSeal:
    one.read(readings(USAGE))
    assert one.committer.cut() == 1
    assert one.prove() is not None
    return sent(one)


def answer(one: PrivateHome, reason: Reason | None = None) -> None:
    (stored,) = one.outbox.unanswered()
    named = (METER, IMPORT, stored.seq, stored.hash)
    durable = () if reason else (Answer(*named),)
    refused = (Refusal(*named, reason),) if reason else ()
    receipt = Receipt(GENESIS.network, AGENT, LATE, durable, refused)
    one.take([receipt], LATE)


def test_a_day_is_sealed_proved_and_signed(one: PrivateHome) -> None:
    seal = told(one)
    header = seal.header
    assert (header.mode, header.bits, header.count) == (MODE_COMMITTED, 16, FIRST_DAY)
    assert (header.first, header.seq, header.prev) == (BEGAN_AT, 1, one.device.link)
    digest = header.digest(GENESIS.chain_id)
    key = KEYS.seal_key.public
    assert key.verify(digest, seal.signature)
    parcel = seal.envelope.parcel
    assert key.verify(parcel.digest(digest), seal.envelope.signature)
    assert holds([Claim(statement_of(digest, 16, seal.records), parcel.proof)])
    assert {record.quality for record in seal.records} == {Quality.RAW}


def test_only_the_device_reads_what_it_used(one: PrivateHome) -> None:
    header = (seal := told(one)).header
    place = backup.Day(
        *(header.network, header.meter, header.register),
        *(header.first, header.step, header.seq),
    )
    kept = seal.envelope.parcel.backup
    found = backup.bring_back(KEYS.root.store_key, place, kept)
    assert found == USAGE[:FIRST_DAY]
    with pytest.raises(Malformed):
        backup.bring_back(bytes(64), place, kept)


def test_a_day_is_the_same_whatever_is_killed_between_two_steps(
    tmp_path: Path,
) -> None:
    with home(tmp_path / "calm") as calm, home(tmp_path / "killed") as other:
        want = told(calm)
        for sample in readings(USAGE):
            other.read([sample])
            if sample[0] % 7200 == 0:
                other.kill()
        other.read(readings(USAGE)[-20:])
        other.kill()
        assert other.committer.cut() == 1
        other.kill()
        assert other.committer.cut() == 0
        lost = other.committer.next_job()
        assert lost is not None
        proof_of(to_bytes(lost))
        other.kill()
        assert other.due(LATE) == []
        other.prove()
        other.kill()
        assert other.prove() is None
        found = sent(other)
        other.kill()
        assert sent(other) == found
        assert (found.header, found.records) == (want.header, want.records)
        assert found.envelope.parcel.backup == want.envelope.parcel.backup
        assert found.signature == want.signature


def test_an_old_proof_changes_nothing_once_a_day_is_signed(one: PrivateHome) -> None:
    one.read(readings(USAGE))
    one.committer.cut()
    job = one.committer.next_job()
    assert job is not None
    one.prove()
    before = sent(one)
    one.committer.proved(job, proof_of(to_bytes(job)))
    assert sent(one) == before


def test_a_day_leaves_at_its_own_time_and_never_when_it_is_ready(
    one: PrivateHome,
) -> None:
    told(one)
    leaves = leaves_at(METER, IMPORT, BEGAN_AT + FIRST_DAY * 900)
    assert one.due(leaves - 1) == []
    assert len(one.due(leaves)) == 1


def test_messages_of_as_many_slots_are_of_one_size(tmp_path: Path) -> None:
    sizes = set()
    for n, usage in enumerate(([0] * 192, USAGE, [2_000] * 192, [])):
        with home(tmp_path / str(n)) as one:
            whole = readings(usage)
            shown = whole[-1][1] if whole else SHOWS
            one.read([*whole, (BEGAN_AT + 3 * DAY_S, shown + 70_000)])
            one.committer.cut()
            one.prove()
            sizes.add(len(one.due(LATE)[0].payload))
    assert len(sizes) == 1


def test_days_follow_each_other_once_answered(one: PrivateHome) -> None:
    first = told(one)
    assert one.committer.cut() == 0
    answer(one)
    assert one.committer.cut() == 1
    one.prove()
    second = sent(one)
    assert second.header.first == first.header.end
    assert second.header.prev == first.header.digest(GENESIS.chain_id)
    assert (second.header.seq, second.header.count) == (2, 96)


def test_an_answered_day_keeps_its_values_for_bills(one: PrivateHome) -> None:
    told(one)
    answer(one)
    while one.outbox.prune(now=LATE + 3 * DAY_S):
        pass
    assert one.outbox.unanswered() == []
    day = one.outbox.day((1, 1))
    assert day is not None
    assert list(day.values) == USAGE[:FIRST_DAY]
    assert str(USAGE[1]) not in repr(day)
    one.outbox.prune(now=LATE + 420 * DAY_S)
    assert one.outbox.day((1, 1)) is None


def test_a_day_refused_as_too_old_is_told_bare(one: PrivateHome) -> None:
    told(one)
    answer(one, Reason.TIME_WINDOW)
    assert one.committer.cut() == 1
    one.prove()
    bare = sent(one)
    assert {record.quality for record in bare.records} == {Quality.MISSING}
    assert (bare.header.first, bare.header.seq) == (BEGAN_AT, 2)
    day = one.outbox.day((1, 2))
    assert day is not None
    assert (set(day.values), day.untold) == ({None}, 0)
    first = one.outbox.day((1, 1))
    assert first is not None
    assert list(first.values) == USAGE[:FIRST_DAY]


@pytest.mark.parametrize("reason", [Reason.EQUIVOCATION, Reason.INCONSISTENT])
def test_a_day_refused_for_another_reason_waits_for_a_person(
    one: PrivateHome, reason: Reason
) -> None:
    told(one)
    answer(one, reason)
    assert one.committer.cut() == 0
    assert one.committer.next_job() is None


def test_values_the_disk_changed_are_never_proved(one: PrivateHome) -> None:
    one.read(readings(USAGE))
    one.committer.cut()
    with sqlite3.connect(one.folder / "outbox.sqlite") as other:
        other.execute("DROP TRIGGER a_day_keeps_its_values")
        ((slots,),) = other.execute("SELECT slots FROM days").fetchall()
        other.execute("UPDATE days SET slots = ?", (slots[:9] + b"\x01" + slots[10:],))
    other.close()
    assert one.committer.next_job() is None
    assert one.sealer.damaged == {(1, 1)}


def test_a_days_masked_sum_opens_with_all_three_masks(tmp_path: Path) -> None:
    with home(tmp_path / "masked", totals=True) as one:
        seal = told(one)
    masked = seal.envelope.parcel.masked
    assert masked is not None
    place = day_place(seal.header, 0)
    seeds = KEYS.root.mask_seeds(METER, SEEDS)
    found = unmasked(
        [masked], {n: summed([mask_of(s, place)]) for n, s in enumerate(seeds)}
    )
    assert found.value == sum(USAGE[:FIRST_DAY])
    assert opens(seal.header.sum, found.value, found.blinding)


def test_a_job_whose_value_is_out_of_range_has_no_proof(one: PrivateHome) -> None:
    one.read(readings(USAGE))
    one.committer.cut()
    job = one.committer.next_job()
    assert job is not None
    wrong = replace(job.openings[0], value=Secret(1 << 16))
    lie = replace(job, openings=(wrong, *job.openings[1:]))
    with pytest.raises(BadProof):
        proof_of(to_bytes(lie))
    assert "Secret" not in repr(job)


def test_an_outbox_of_the_version_before_takes_up_days(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("PRAGMA page_size = 1024")
        old.executescript(f"{SCHEMA} PRAGMA user_version = 1;")
    old.close()
    box = Outbox(path, registers=1, network=GENESIS.network)
    assert box.early(now=0) == frozenset()
    box.close()


def test_equal_usage_makes_commitments_that_are_all_different(
    one: PrivateHome,
) -> None:
    one.read(readings([50] * 192))
    one.committer.cut()
    one.prove()
    commitments = {record.commitment for record in sent(one).records}
    assert len(commitments) == FIRST_DAY
