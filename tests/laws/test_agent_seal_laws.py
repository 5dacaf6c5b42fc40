"""Whatever happens to records and answers, the chain accounts for the energy.

The agent's rule (`next_cut`) against the aggregator's own (`intake.accept`), through
the real outbox.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_agent.outbox.model import Applied
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_agent.seal import Sealer
from meterseal_proto.errors import Reason
from meterseal_proto.message import decode_seal
from meterseal_proto.receipt import Answer, Refusal, open_receipt
from meterseal_proto.units import Quality
from tests.support.boxes import NOT_BUSY, PUBLIC, opened, put, sealer
from tests.support.oracle import GENESIS, NETWORK, VALUE, Oracle, start

NOW = 1_800_000_000
ONE = start(PUBLIC)
PLAUSIBLE = 2_000
WILD = 40_000

# A slot's growth and whether the outbox had room for it; a negative growth is a reset.
SLOTS = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, PLAUSIBLE),
            st.integers(0, PLAUSIBLE),
            st.just(WILD),
            st.just(-1),
        ),
        st.booleans() | st.just(True),
    ),
    min_size=1,
    max_size=40,
)


def rows(slots: Sequence[tuple[int, bool]]) -> list[tuple[Record, bool]]:
    """Return one record a slot, and whether it was kept."""
    at, value, found = ONE.head.end, VALUE, []
    for growth, kept in slots:
        value = value + growth if growth >= 0 else value // 3
        record = Record(
            *(ONE.meter, ONE.register, at, ONE.step, max(0, growth), value), Quality.RAW
        )
        found.append((record, kept))
        at += ONE.step
    return found


def exchange(box: Outbox, cutter: Sealer, oracle: Oracle) -> Applied | None:
    """Send what is due once and apply the answers; None when nothing was due."""
    due = cutter.due(room=20, busy=NOT_BUSY)
    if not due:
        return None
    receipt = oracle.take(seal.payload for seal in due)
    return box.apply(open_receipt(receipt, oracle.key.public_key()), now=NOW)


def begin(folder: str) -> tuple[Outbox, Sealer, Oracle]:
    box = opened(Path(folder), [ONE])
    oracle = Oracle(PUBLIC, now=NOW_OF_SLOTS)
    oracle.enrol([ONE])
    return box, sealer(box), oracle


NOW_OF_SLOTS = ONE.head.end + 100 * ONE.step


@settings(max_examples=60, deadline=None)
@given(SLOTS, st.integers(1, 50))
def test_both_heads_agree_and_energy_is_counted_once(
    slots: Sequence[tuple[int, bool]], burst: int
) -> None:
    with TemporaryDirectory() as folder:
        box, cutter, oracle = begin(folder)
        found = rows(slots)
        for n, (record, kept) in enumerate(found):
            if kept:
                put(box, [record])
            if n % burst == 0:
                exchange(box, cutter, oracle)
        rounds = 0
        while exchange(box, cutter, oracle) is not None:
            rounds += 1
            assert rounds <= 4 * len(found) + 4, "it must come to an end"
        (chain,) = box.chains()
        aggregator = oracle.chains[ONE.meter, ONE.register].head
        assert chain.head == aggregator
        assert all(len(payloads) == 1 for payloads in oracle.shown.values())
        assert set(oracle.reasons) <= {Reason.CAPACITY, Reason.BACKWARD_REGISTER}
        resets = Reason.BACKWARD_REGISTER in oracle.reasons
        if not resets:
            counted = oracle.counted.get((ONE.meter, ONE.register), 0)
            assert counted == chain.head.value - VALUE
        box.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, PLAUSIBLE), min_size=1, max_size=40), st.integers(1, 9))
def test_plausible_and_whole_is_accepted_whole_in_full_resolution(
    deltas: list[int], burst: int
) -> None:
    with TemporaryDirectory() as folder:
        box, cutter, oracle = begin(folder)
        for n, (record, _) in enumerate(rows([(delta, True) for delta in deltas])):
            put(box, [record])
            if n % burst == 0:
                exchange(box, cutter, oracle)
        while exchange(box, cutter, oracle) is not None:
            continue
        assert oracle.reasons == []
        assert oracle.accepted == len(deltas)
        assert oracle.counted.get((ONE.meter, ONE.register)) == sum(deltas)
        box.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([None, *Reason]), max_size=12))
def test_no_answer_however_strange_makes_a_slot_be_told_twice_in_the_chain(
    answers: list[Reason | None],
) -> None:
    """A hostile aggregator may refuse at will: seq grows, and prev is always the head."""
    with TemporaryDirectory() as folder:
        box, cutter, oracle = begin(folder)
        put(box, [record for record, _ in rows([(1, True)] * 12)])
        last = 0
        for reason in answers:
            due = cutter.due(room=1, busy=NOT_BUSY)
            (before,) = box.chains()
            if not due:
                break
            header = decode_seal(due[0].payload, NETWORK).header
            assert header.prev == before.head.hash
            assert header.first == before.head.end
            assert header.seq >= last
            last = header.seq
            _answer(box, oracle, due[0].payload, reason)
        box.close()


def _answer(box: Outbox, oracle: Oracle, payload: bytes, reason: Reason | None) -> None:
    header = decode_seal(payload, NETWORK).header
    place = (header.meter, header.register, header.seq)
    digest = header.digest(GENESIS.chain_id)
    answer = Refusal(*place, digest, reason) if reason else Answer(*place, digest)
    receipt = oracle.receipt([answer])
    box.apply(open_receipt(receipt, oracle.key.public_key()), now=NOW)
