"""Whatever the pipe does and the clocks say, a refusal costs no energy.

The agent's outbox and sealer against intake's own rules, with everything between them
in an adversary's hands: he repeats, loses and reorders messages and receipts, sends
twins with the signature struck out, sends seals on another agent's topic, and moves
the aggregator's clock both ways.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_agent.seal import Sealer
from meterseal_proto.errors import Reason
from meterseal_proto.message import decode_seal, encode_seal
from meterseal_proto.receipt import open_receipt
from meterseal_proto.units import Quality
from tests.support.boxes import NOT_BUSY, PUBLIC, opened, put, sealer
from tests.support.oracle import AGENT, NETWORK, VALUE, Oracle, start

ONE = start(PUBLIC)
DAY = 86_400
NOW = ONE.head.end + 40 * ONE.step
SHIFTS = (
    -200 * DAY,
    -20 * ONE.step,
    0,
    130 * DAY,
    130 * DAY - 20 * ONE.step,
    200 * DAY,
)
ACTS = (
    "record",
    "send",
    "deliver",
    "deliver",
    "twin",
    "foreign",
    "hear",
    "hear",
    "clock",
    "late",
)
STORY = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 5)), max_size=80)


@dataclass(slots=True)
class Pipe:
    """One register, its aggregator, and the adversary between them.

    `said` and `heard` are all messages and receipts so far, the newest last: nothing
    that was once sent can be kept from coming again.
    """

    box: Outbox
    cutter: Sealer
    oracle: Oracle
    said: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    last: Record | None = None

    def act(self, name: str, number: int) -> None:
        """Do one thing; `number` says to which, counted from the newest."""
        getattr(self, f"_{name}")(number)

    def settle(self) -> None:
        """Let every message through, with both clocks right, until nothing waits.

        A hole is closed when the next record comes, so one comes.
        """
        self.oracle.now = NOW
        self._record(1)
        rounds = 0
        while due := self.cutter.due(room=20, busy=NOT_BUSY):
            for seal in due:
                self._answer(seal.payload)
                self._hear(0)
            rounds += 1
            assert rounds <= 100, "it must come to an end"

    def _record(self, delta: int) -> None:
        at, value = (
            (self.last.end, self.last.value) if self.last else (ONE.head.end, VALUE)
        )
        place = (ONE.meter, ONE.register, at, ONE.step)
        self.last = Record(*place, delta, value + delta, Quality.RAW)
        put(self.box, [self.last])

    def _send(self, _: int) -> None:
        self.said += [s.payload for s in self.cutter.due(room=20, busy=NOT_BUSY)]

    def _deliver(self, number: int) -> None:
        if self.said:
            self._answer(self.said[-1 - number % len(self.said)])

    def _twin(self, number: int) -> None:
        if self.said:
            seal = decode_seal(self.said[-1 - number % len(self.said)], NETWORK)
            self._answer(encode_seal(replace(seal, signature=bytes(64))))

    def _foreign(self, number: int) -> None:
        if self.said:
            payload = self.said[-1 - number % len(self.said)]
            answer = self.oracle.judge(payload, "another")
            assert getattr(answer, "reason", None) is Reason.UNKNOWN_METER
            self.heard.append(self.oracle.receipt([answer]))

    def _answer(self, payload: bytes) -> None:
        self.heard.append(self.oracle.receipt([self.oracle.judge(payload)]))

    def _hear(self, number: int) -> None:
        if self.heard:
            payload = self.heard[-1 - number % len(self.heard)]
            receipt = open_receipt(payload, self.oracle.key.public_key())
            assert receipt.agent == AGENT
            self.box.apply(receipt, now=NOW)

    def _late(self, _: int) -> None:
        """The clock runs ahead for one seal, whose refusal is heard; then it is right."""
        self.oracle.now = NOW + 200 * DAY
        self._send(0)
        self._deliver(0)
        self._hear(0)
        self.oracle.now = NOW

    def _clock(self, number: int) -> None:
        self.oracle.now = NOW + SHIFTS[number]


@settings(max_examples=150, deadline=None)
@given(STORY)
def test_no_twin_loss_or_wrong_clock_costs_energy_or_parts_the_heads(
    story: list[tuple[str, int]],
) -> None:
    with TemporaryDirectory() as folder:
        box = opened(Path(folder), [ONE])
        oracle = Oracle(PUBLIC, now=NOW)
        oracle.enrol([ONE])
        pipe = Pipe(box, sealer(box), oracle)
        for name, number in story:
            if name != "record" or pipe.last is None or pipe.last.end < NOW:
                pipe.act(name, number)
        pipe.settle()
        (chain,) = box.chains()
        assert chain.head == oracle.chains[ONE.meter, ONE.register].head
        last = pipe.last.value if pipe.last else VALUE
        assert chain.head.value == last
        assert oracle.counted.get((ONE.meter, ONE.register), 0) == last - VALUE
        assert [(d.records, d.seals) for d in box.depths()] == [(0, 0)]
        box.close()
