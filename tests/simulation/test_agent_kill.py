"""An agent killed at random: no record lost, no number over two payloads, same bytes.

A child process keeps records, seals and applies receipts as fast as it can; SIGKILL
ends it anywhere. The parent is its aggregator, and loses some receipts on the way.
"""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_proto.receipt import open_receipt
from meterseal_proto.units import Quality
from tests.support.boxes import NOT_BUSY, PUBLIC, opened, sealer
from tests.support.oracle import VALUE, Oracle, start

CYCLES = 60
LONGEST_LIFE_S = 0.12
DELTA = 3
ONE = start(PUBLIC)
FORK = multiprocessing.get_context("fork")


def live(folder: Path, wire: Connection, raw_key: bytes, *, draining: bool) -> None:
    """The child: one register, one record after another, until killed or drained."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(raw_key)
    box = opened(folder, [ONE])
    cutter = sealer(box)
    number = int(box.states().get((ONE.meter, ONE.register), "0"))
    while True:
        if not draining:
            number += 1
            keep(box, number)
            wire.send(("kept", number))
        due = cutter.due(room=1, busy=NOT_BUSY)
        if draining and not due:
            box.close()
            wire.send(("done", number))
            return
        for seal in due:
            wire.send(("seal", seal.payload))
        if wire.poll(0.2 if draining else 0.002):
            box.apply(open_receipt(wire.recv(), key), now=number)


def keep(box: Outbox, number: int) -> None:
    """Keep record `number`, and the sampler's state that goes with it."""
    begin = ONE.head.end + (number - 1) * ONE.step
    place = (ONE.meter, ONE.register, begin, ONE.step)
    record = Record(*place, DELTA, VALUE + number * DELTA, Quality.RAW)
    box.add([(record, str(number))])


def heard(wire: Connection) -> Iterator[tuple[str, object]]:
    """Yield what the child said, to the last whole word before its end."""
    while True:
        try:
            yield wire.recv()
        except (EOFError, OSError):
            return


class Rig:
    """The parent's side of one register's life."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.oracle = Oracle(PUBLIC, now=ONE.head.end + 120 * 86_400)
        self.oracle.enrol([ONE])
        self.kept = 0
        self.sent: Counter[bytes] = Counter()

    def cycle(self, life_s: float | None) -> None:
        """Let a child live for so long, or until it has drained, then kill it."""
        here, there = FORK.Pipe()
        raw_key = self.oracle.key.public_key().public_bytes_raw()
        child = FORK.Process(
            target=live,
            args=(self.folder, there, raw_key),
            kwargs={"draining": life_s is None},
        )
        child.start()
        there.close()
        deadline = time.monotonic() + (60 if life_s is None else life_s)
        while time.monotonic() < deadline and child.is_alive():
            if here.poll(0.005) and not self.hear(here):
                break
        child.kill()
        child.join(10)
        for word, what in heard(here):
            self.note(word, what)
        here.close()
        child.close()

    def hear(self, wire: Connection) -> bool:
        try:
            word, what = wire.recv()
        except (EOFError, OSError):
            return False
        receipt = self.note(word, what)
        if receipt is not None and self.chance.random() < 0.8:
            try:
                wire.send(receipt)
            except OSError:
                return False
        return bool(word != "done")

    def note(self, word: str, what: object) -> bytes | None:
        if word == "kept":
            assert isinstance(what, int)
            self.kept = max(self.kept, what)
        if word != "seal":
            return None
        assert isinstance(what, bytes)
        self.sent[what] += 1
        return self.oracle.take([what])


def test_sixty_kills_lose_no_record_and_never_sign_a_number_twice(
    tmp_path: Path,
) -> None:
    chance = random.Random(20_261_121)
    rig = Rig(tmp_path, chance)
    for _ in range(CYCLES):
        rig.cycle(chance.uniform(0.01, LONGEST_LIFE_S))
    rig.cycle(None)
    box = opened(tmp_path, [ONE])
    (depth,) = box.depths()
    on_disk = int(box.states()[ONE.meter, ONE.register])
    box.close()
    oracle = rig.oracle
    assert rig.kept > CYCLES, "the children did live"
    assert on_disk >= rig.kept, "what add() returned for is on disk"
    assert (depth.records, depth.seals) == (0, 0)
    assert oracle.accepted == on_disk
    assert oracle.counted[ONE.meter, ONE.register] == on_disk * DELTA
    assert oracle.reasons == []
    assert all(len(payloads) == 1 for payloads in oracle.shown.values())
    assert max(rig.sent.values()) > 1, "some were sent again, the same bytes"
    assert oracle.chains[ONE.meter, ONE.register].head == depth.chain.head
