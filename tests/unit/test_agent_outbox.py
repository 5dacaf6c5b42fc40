"""The outbox: durable, bounded, and emptied by signed answers only."""

import sqlite3
from pathlib import Path

import pytest

from meterseal_agent.outbox.database import PAGE_BYTES, PAGES_PER_REGISTER
from meterseal_agent.outbox.store import KEEP_S, Outbox
from meterseal_proto.errors import Reason, Unavailable
from meterseal_proto.message import decode_seal
from meterseal_proto.receipt import Answer, Receipt, Refusal
from meterseal_proto.units import EXPORT, IMPORT, Quality
from tests.support.boxes import NOT_BUSY, PUBLIC, STATE, opened, put, records, sealer
from tests.support.oracle import AGENT, NETWORK, start, starts

NOW = 1_800_000_000
ONE = start(PUBLIC)
DAYS_90 = 90 * 96


def receipt(*answers: Answer | Refusal) -> Receipt:
    durable = tuple(a for a in answers if isinstance(a, Answer))
    refused = tuple(a for a in answers if isinstance(a, Refusal))
    return Receipt(NETWORK, AGENT, NOW, durable, refused)


def answer_to(box: Outbox, seq: int) -> Answer:
    (seal,) = [s for s in box.unanswered() if s.seq == seq]
    return Answer(ONE.meter, ONE.register, seq, seal.hash)


def refusal_to(box: Outbox, seq: int, reason: Reason) -> Refusal:
    answer = answer_to(box, seq)
    return Refusal(answer.meter, answer.register, seq, answer.hash, reason)


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return opened(tmp_path, [ONE])


def test_ninety_days_of_quarter_hours_fit_in_4_mib(tmp_path: Path, box: Outbox) -> None:
    assert put(box, records(ONE, [1234] * DAYS_90))
    box.close()
    path = tmp_path / "outbox.sqlite"
    size = path.stat().st_size
    assert size < 4 * 1024 * 1024
    assert size < 60 * DAYS_90, "a record costs less than 60 bytes"
    assert not path.with_name("outbox.sqlite-wal").exists()


def test_the_file_is_opened_for_power_cuts(tmp_path: Path, box: Outbox) -> None:
    connection = box._file.connection()
    for name, value in (
        *(("journal_mode", "wal"), ("synchronous", 2), ("page_size", 1024)),
        ("max_page_count", box.max_bytes // PAGE_BYTES),
    ):
        assert connection.execute(f"PRAGMA {name}").fetchone() == (value,)
    assert (tmp_path / "outbox.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_file_with_other_pages_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "outbox.sqlite") as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(Unavailable, match="page_size is 4096"):
        opened(tmp_path, [ONE])


def test_a_second_agent_on_the_same_folder_is_refused(
    tmp_path: Path, box: Outbox
) -> None:
    with pytest.raises(Unavailable, match="another meterseal-agent"):
        opened(tmp_path, [ONE])


def test_record_and_sampler_state_come_back_after_a_restart(
    tmp_path: Path, box: Outbox
) -> None:
    found = records(ONE, [5, 6])
    box.add([(found[0], "first")])
    box.add([(found[1], "second")])
    box.close()
    again = opened(tmp_path, [ONE])
    assert again.states() == {(ONE.meter, ONE.register): "second"}
    (chain,) = again.ready()
    assert again.pending(chain) == found
    assert found[0].quality is Quality.RAW


def test_a_record_of_a_stranger_is_refused_whole(box: Outbox) -> None:
    stranger = records(start(PUBLIC, 2), [5])
    with pytest.raises(KeyError):
        box.add([(records(ONE, [5])[0], STATE), (stranger[0], STATE)])
    assert box.ready() == []


def test_a_slot_is_kept_once(box: Outbox) -> None:
    (record,) = records(ONE, [5])
    put(box, [record])
    put(box, [record])
    (depth,) = box.depths()
    assert depth.records == 1


def test_a_register_has_one_unanswered_seal_at_most(box: Outbox) -> None:
    put(box, records(ONE, [1] * 250))
    cutter = sealer(box)
    (first,) = cutter.due(room=5, busy=NOT_BUSY)
    assert cutter.due(room=5, busy=frozenset({first.key})) == []
    assert cutter.due(room=5, busy=NOT_BUSY) == [first]
    (depth,) = box.depths()
    assert (depth.records, depth.seals) == (150, 1)


def test_the_schema_itself_refuses_to_touch_what_was_sealed(box: Outbox) -> None:
    put(box, records(ONE, [1]))
    sealer(box).due(room=1, busy=NOT_BUSY)
    connection = box._file.connection()
    for statement in (
        "UPDATE seals SET payload = x'00'",
        "UPDATE seals SET seq = 2",
        "UPDATE seals SET hash = zeroblob(32)",
        "DELETE FROM seals",
        "INSERT INTO seals (chain, seq, first, end_at, value, hash, payload) VALUES (1, 9, 0, 0, 0, zeroblob(32), x'00')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)


def test_seals_of_many_registers_go_oldest_first(tmp_path: Path) -> None:
    found = starts(PUBLIC, 2)
    box = opened(tmp_path, found)
    for age, one in zip((3, 1, 0, 2), found, strict=True):
        rows = records(one, [1] * 5)
        put(box, rows[age:])
    due = sealer(box).due(room=3, busy=NOT_BUSY)
    assert {seal.chain for seal in due} == {2, 3, 4}, "the first has the youngest"


def test_an_accepted_seal_moves_the_head_and_lets_the_next_go(box: Outbox) -> None:
    put(box, records(ONE, [1] * 250))
    cutter = sealer(box)
    for seq, count in ((1, 100), (2, 100), (3, 50)):
        (seal,) = cutter.due(room=5, busy=NOT_BUSY)
        header = decode_seal(seal.payload, NETWORK).header
        assert (header.seq, header.count) == (seq, count)
        applied = box.apply(receipt(answer_to(box, seq)), now=NOW)
        assert applied.answered == (seal.key,)
        (chain,) = box.chains()
        assert (chain.head.hash, chain.head.end) == (seal.hash, header.end)
    assert cutter.due(room=5, busy=NOT_BUSY) == []


def test_an_answer_to_a_seal_that_is_not_here_is_counted_and_left_alone(
    box: Outbox,
) -> None:
    put(box, records(ONE, [1]))
    sealer(box).due(room=1, busy=NOT_BUSY)
    right = answer_to(box, 1)
    for wrong in (
        Answer(right.meter, right.register, 2, right.hash),
        Answer(right.meter, right.register, 1, bytes(32)),
        Answer(right.meter, EXPORT, 1, right.hash),
        Answer(start(PUBLIC, 9).meter, IMPORT, 1, right.hash),
    ):
        applied = box.apply(receipt(wrong), now=NOW)
        assert (applied.unknown, applied.answered) == (1, ())
    assert len(box.unanswered()) == 1


def test_the_same_answer_twice_is_no_news(box: Outbox) -> None:
    put(box, records(ONE, [1, 2]))
    sealer(box).due(room=1, busy=NOT_BUSY)
    answer = answer_to(box, 1)
    box.apply(receipt(answer), now=NOW)
    before = box.chains()
    applied = box.apply(receipt(answer), now=NOW)
    assert (applied.again, applied.answered, box.chains()) == (1, (), before)


@pytest.mark.parametrize("reason", [r for r in Reason if not r.final])
def test_a_refusal_that_is_not_final_keeps_the_seal_and_says_why(
    box: Outbox, reason: Reason
) -> None:
    put(box, records(ONE, [1]))
    sealer(box).due(room=1, busy=NOT_BUSY)
    applied = box.apply(receipt(refusal_to(box, 1, reason)), now=NOW)
    assert applied.kept == (((1, 1), reason),)
    assert [depth.held_back for depth in box.depths()] == [reason]
    assert len(box.unanswered()) == 1
    assert box.chains()[0].head == ONE.head
    box.apply(receipt(answer_to(box, 1)), now=NOW)
    assert [depth.held_back for depth in box.depths()] == [None]
    assert box.chains()[0].head.seq == 1


def test_what_advances_the_chain_wins_over_a_refusal_and_abandons_what_was_cut_since(
    box: Outbox,
) -> None:
    found = records(ONE, [1, 2, 3])
    cutter = sealer(box)
    put(box, found[:1])
    (first,) = cutter.due(room=1, busy=NOT_BUSY)
    late = answer_to(box, 1)
    box.apply(receipt(refusal_to(box, 1, Reason.TIME_WINDOW)), now=NOW)
    put(box, found[1:])
    (second,) = cutter.due(room=1, busy=NOT_BUSY)
    applied = box.apply(receipt(late), now=NOW)
    assert (applied.answered, applied.abandoned) == ((first.key,), (second.key,))
    (chain,) = box.chains()
    assert (chain.head.hash, chain.head.end) == (first.hash, found[0].end)
    (third,) = cutter.due(room=9, busy=NOT_BUSY)
    header = decode_seal(third.payload, NETWORK).header
    assert (header.seq, header.prev, header.count) == (3, first.hash, 2)
    box.apply(receipt(answer_to(box, 3)), now=NOW)
    for again in (late, Answer(ONE.meter, ONE.register, 2, second.hash)):
        assert box.apply(receipt(again), now=NOW).again == 1
    (chain,) = box.chains()
    assert (chain.head.seq, chain.head.value) == (3, found[-1].value)
    assert box.prune(now=NOW + KEEP_S + 1) == 3


def test_an_answer_that_does_not_follow_the_head_moves_nothing(box: Outbox) -> None:
    found, cutter, late = records(ONE, [1, 2, 3]), sealer(box), []
    for record in found[:2]:
        put(box, [record])
        cutter.due(room=1, busy=NOT_BUSY)
        seq = box.unanswered()[0].seq
        late.append(answer_to(box, seq))
        box.apply(receipt(refusal_to(box, seq, Reason.TIME_WINDOW)), now=NOW)
    box.apply(receipt(late[1]), now=NOW)
    before = box.chains()
    assert before[0].head.seq == 2
    applied = box.apply(receipt(late[0]), now=NOW)
    assert (applied.again, applied.answered, box.chains()) == (1, (), before)


def test_a_chain_that_is_stuck_asks_again_for_what_was_too_old(box: Outbox) -> None:
    found, cutter = records(ONE, [1, 2]), sealer(box)
    put(box, found[:1])
    (first,) = cutter.due(room=1, busy=NOT_BUSY)
    box.apply(receipt(refusal_to(box, 1, Reason.TIME_WINDOW)), now=NOW)
    assert box.prune(now=NOW + KEEP_S + 1) == 0, "it may have been taken since"
    put(box, found[1:])
    (second,) = cutter.due(room=9, busy=NOT_BUSY)
    box.apply(receipt(refusal_to(box, 2, Reason.OUT_OF_ORDER)), now=NOW)
    assert cutter.due(room=9, busy=NOT_BUSY) == [second, first]
    assert cutter.due(room=9, busy=frozenset({first.key})) == [second]
    box.apply(receipt(Answer(ONE.meter, ONE.register, 1, first.hash)), now=NOW)
    (third,) = cutter.due(room=9, busy=NOT_BUSY)
    assert third.seq == 3


@pytest.mark.parametrize("reason", [r for r in Reason if r.final])
def test_after_a_final_refusal_the_chain_goes_on_as_the_protocol_says(
    box: Outbox, reason: Reason
) -> None:
    put(box, records(ONE, [1, 2, 3]))
    cutter = sealer(box)
    (seal,) = cutter.due(room=1, busy=NOT_BUSY)
    box.apply(receipt(refusal_to(box, 1, reason)), now=NOW)
    (chain,) = box.chains()
    assert chain.head.hash == (seal.hash if reason.advances else ONE.head.hash)
    moved = reason.rebases
    assert (chain.head.end == ONE.head.end) is not moved
    put(box, records(ONE, [4], after=records(ONE, [1, 2, 3])[-1]))
    (after,) = cutter.due(room=1, busy=NOT_BUSY)
    sealed = decode_seal(after.payload, NETWORK)
    assert (sealed.header.seq, sealed.header.prev) == (2, chain.head.hash)
    assert sealed.header.first == chain.head.end
    assert sealed.records[-1].value == ONE.head.value + 10


def test_a_seal_named_in_both_lists_was_refused(box: Outbox) -> None:
    put(box, records(ONE, [1]))
    sealer(box).due(room=1, busy=NOT_BUSY)
    refused = refusal_to(box, 1, Reason.CAPACITY)
    applied = box.apply(receipt(answer_to(box, 1), refused), now=NOW)
    assert (applied.refused, applied.again) == ((Reason.CAPACITY,), 1)


def test_answered_rows_stay_for_two_days_and_then_go(box: Outbox) -> None:
    put(box, records(ONE, [1] * 3))
    sealer(box).due(room=1, busy=NOT_BUSY)
    box.apply(receipt(answer_to(box, 1)), now=NOW)
    assert box.prune(now=NOW + KEEP_S) == 0
    assert _rows(box) == (3, 1)
    assert box.prune(now=NOW + KEEP_S + 1) == 1
    assert _rows(box) == (0, 0)


def test_a_crash_between_reserving_and_signing_signs_the_same_bytes(
    tmp_path: Path, box: Outbox
) -> None:
    put(box, records(ONE, [1, 2]))
    cutter = sealer(box)
    cutter._cut(1)
    (bare,) = box.unanswered()
    assert not bare.signed
    box.close()
    other = opened(tmp_path, [ONE])
    (one,) = sealer(other).due(room=1, busy=NOT_BUSY)
    assert cutter._sign(bare) == one.payload
    assert PUBLIC.verify(one.hash, decode_seal(one.payload, NETWORK).signature)


def test_a_reserved_seal_that_the_disk_changed_is_not_signed(
    tmp_path: Path, box: Outbox
) -> None:
    found = [ONE, start(PUBLIC, register=EXPORT)]
    box.close()
    box = opened(tmp_path, found)
    for one in found:
        put(box, records(one, [1, 2]))
    cutter = sealer(box)
    cutter._cut(2)
    box._file.connection().execute(
        "UPDATE seals SET payload = (SELECT payload FROM seals WHERE chain = 2)"
        " WHERE chain = 1"
    )
    (whole,) = cutter.due(room=2, busy=NOT_BUSY)
    assert whole.chain == 2
    assert cutter.damaged == {(1, 1)}


def test_a_signed_seal_that_the_disk_changed_stops_its_register_only(
    tmp_path: Path, box: Outbox
) -> None:
    found = [ONE, start(PUBLIC, register=EXPORT)]
    box.close()
    box = opened(tmp_path, found)
    for one in found:
        put(box, records(one, [1, 2]))
    cutter = sealer(box)
    assert len(cutter.due(room=2, busy=NOT_BUSY)) == 2
    answer = answer_to_chain(box, 1)
    connection = box._file.connection()
    connection.execute("DROP TRIGGER a_signed_seal_keeps_its_bytes")
    connection.execute("UPDATE seals SET payload = x'00' WHERE chain = 1")
    (whole,) = cutter.due(room=2, busy=NOT_BUSY)
    assert (whole.chain, cutter.damaged) == (2, {(1, 1)})
    applied = box.apply(receipt(answer, answer_to_chain(box, 2)), now=NOW)
    assert (applied.answered, applied.unknown) == (((2, 1),), 1)


def answer_to_chain(box: Outbox, number: int) -> Answer:
    (seal,) = [s for s in box.unanswered() if s.chain == number]
    register = ONE.register if number == 1 else EXPORT
    return Answer(ONE.meter, register, seal.seq, seal.hash)


def test_a_full_outbox_keeps_what_it_has_says_so_and_still_drains(
    tmp_path: Path,
) -> None:
    box = opened(tmp_path, [ONE])
    kept, last = 0, None
    while True:
        rows = records(ONE, [1] * 400, after=last)
        if not put(box, rows):
            break
        kept, last = kept + len(rows), rows[-1]
    assert last is not None
    assert kept > 6 * DAYS_90
    assert box.full
    assert (tmp_path / "outbox.sqlite").stat().st_size <= box.max_bytes
    assert box.max_bytes <= (PAGES_PER_REGISTER + 256) * PAGE_BYTES
    assert box.states()[ONE.meter, ONE.register] == STATE
    cutter = sealer(box)
    for seq in range(1, 41):
        assert len(cutter.due(room=1, busy=NOT_BUSY)) == 1
        box.apply(receipt(answer_to(box, seq)), now=NOW)
    later = records(ONE, [1] * 50, after=records(ONE, [9], after=last)[0])
    assert put(box, later), "answered rows are the first to go"
    assert box.depths()[0].records == kept - 4000 + 50
    box.close()


def _rows(box: Outbox) -> tuple[int, int]:
    connection = box._file.connection()
    (found,) = connection.execute("SELECT count(*) FROM records").fetchone()
    (seals,) = connection.execute("SELECT count(*) FROM seals").fetchone()
    return found, seals
