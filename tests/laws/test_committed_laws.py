"""Laws of committed intake: order, loss and repetition of days do not matter, nor who is near.

The days of committed registers and the seals of open ones come in the same batches, and
proofs are checked at any moment between them. A device tells a day again only after it
heard that its proof failed, so that is the one thing an order may not turn round.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.privacy import check, proofs
from meterseal_proto import curve
from meterseal_proto.committed_message import encode_committed
from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Reason
from meterseal_proto.group import group
from tests.support.committed import CommittedDevice, committed_device
from tests.support.devices import GENESIS, Device, device
from tests.support.frontdesk import FrontDesk, front_desk
from tests.support.lives import ACTS, HIDDEN_ACTS, HiddenLife, Life, Told
from tests.support.seed import NIGHTS

# Loaded here, for a library it tries raises the recursion limit, which hypothesis watches.
LOADED = curve.backend().name, group().name
AGENT = "pi-1"
DURABLE = "durable"
WAIT = {None, Reason.OUT_OF_ORDER.text, Reason.BAD_SIGNATURE.text}
OPEN_NUMBER = 50
"""Meters of open registers have numbers from here on, for meters are not shared here."""

Answers = dict[bytes, str]


@dataclass(frozen=True, slots=True)
class Street:
    """Hidden and open lives side by side, and messages of nobody's."""

    hidden: list[HiddenLife]
    shown: list[Life]
    noise: list[bytes] = field(default_factory=list)

    def births(self) -> list[Device | CommittedDevice]:
        """Return the devices as they were enrolled."""
        found: list[Device | CommittedDevice] = [
            committed_device(int.from_bytes(life.device.meter)) for life in self.hidden
        ]
        return found + [
            device(int.from_bytes(life.device.meter)) for life in self.shown
        ]

    def waiting(self, said: Answers) -> list[Incoming]:
        """Return what devices would send: unanswered, and made after what they heard."""
        found = [
            sent.by(AGENT)
            for life in self.shown
            for sent in life.sent
            if said.get(sent.digest) in WAIT
        ]
        for life in self.hidden:
            found += [
                told.day.by(AGENT)
                for told in _sayable(life.sent, said)
                if said.get(told.day.digest) in WAIT
            ]
        return found

    def done(self, said: Answers) -> bool:
        """Tell whether every seal was answered for good, wrong proofs among them."""
        digests = [sent.digest for life in self.shown for sent in life.sent]
        digests += [told.day.digest for life in self.hidden for told in life.sent]
        return all(said.get(digest) not in WAIT for digest in digests)


def _sayable(sent: Sequence[Told], said: Answers) -> list[Told]:
    """Return the days up to the first whose cause the device has not heard of yet."""
    for place, told in enumerate(sent):
        if told.heard is not None and said.get(told.heard) != Reason.PROOF.text:
            return [*sent[:place]]
    return [*sent]


async def _prove(desk: FrontDesk, said: Answers) -> None:
    """Check a batch of proofs; devices hear at once which of their days failed."""
    done = await proofs.run_once(desk.database, GENESIS, int(desk.now), set_aside)
    said.update((day.digest, Reason.PROOF.text) for day in done.failed)


async def _deliver(desk: FrontDesk, street: Street, chance: Random | None) -> Answers:
    """Deliver until all is answered: in order, or as `chance` shuffles and repeats it."""
    said: Answers = {}
    noise = [Incoming(AGENT, payload, None) for payload in street.noise]
    for _ in range(60):
        if street.done(said):
            return said
        queue = street.waiting(said)
        if chance is not None:
            queue = [*queue * 2, *noise]
            chance.shuffle(queue)
            # What is lost now is sent again, for it was not answered.
            del queue[: chance.randint(0, len(queue) // 3)]
        while queue:
            size = 1 if chance is None else chance.randint(1, 9)
            for digest, answer in (await desk.answers(*queue[:size])).items():
                if said.get(digest) in WAIT:
                    said[digest] = answer
            del queue[:size]
            if chance is not None and chance.random() < 0.3:
                await _prove(desk, said)
        await _prove(desk, said)
    raise AssertionError("a message is never answered")


async def _left(street: Street, seed: int | None) -> tuple[bytes, Answers]:
    """Return the state that all messages leave, and what each is answered in the end."""
    chance = None if seed is None else Random(seed)
    with TemporaryDirectory() as folder:
        async with front_desk(Path(folder), street.births()) as desk:
            said = await _deliver(desk, street, chance)
            while await desk.rows("SELECT 1 FROM range_proofs WHERE state = 'pending'"):
                await _prove(desk, said)
            answers: Answers = {}
            for message in street.waiting({}) + _all_days(street):
                answers |= await desk.answers(message)
            assert {digest: said[digest] for digest in answers} == answers
            async with desk.database.reading() as tx:
                found = await check.findings(tx, GENESIS)
                found += await intake_check.findings(tx, GENESIS)
                assert all(finding.ok for finding in found), found
                return await intake_check.state_hash(tx), answers


def _all_days(street: Street) -> list[Incoming]:
    return [told.day.by(AGENT) for life in street.hidden for told in life.sent]


def _bent(told: Told) -> list[bytes]:
    """Return what others make of a day: its high-s twin, and one with another proof."""
    seal = told.day.seal
    r, s = seal.signature[:32], int.from_bytes(seal.signature[32:])
    envelope = seal.envelope
    other = replace(envelope.parcel, proof=bytes(len(envelope.parcel.proof)))
    return [
        encode_committed(replace(seal, signature=r + (ORDER - s).to_bytes(32))),
        encode_committed(replace(seal, envelope=replace(envelope, parcel=other))),
    ]


HIDDEN = st.lists(st.sampled_from(HIDDEN_ACTS), max_size=7)
SHOWN = st.lists(st.sampled_from(ACTS), max_size=5)


@pytest.mark.deep
@given(
    st.lists(HIDDEN, min_size=1, max_size=3),
    st.lists(SHOWN, max_size=2),
    st.integers(0, 2**32),
)
@example([["spoil", "tell", "again", "spoil", "again"]], [["gap", "tell"]], 1)
@settings(max_examples=15 * NIGHTS, deadline=None)
def test_any_order_loss_and_repetition_of_days_leaves_the_same_state_and_answers(
    hidden: list[list[str]], shown: list[list[str]], seed: int
) -> None:
    secrets = [HiddenLife(committed_device(n)) for n in range(1, len(hidden) + 1)]
    for life, acts in zip(secrets, hidden, strict=True):
        life.live(acts)
    opens = [Life(device(OPEN_NUMBER + n)) for n in range(len(shown))]
    for other, acts in zip(opens, shown, strict=True):
        other.live(acts)
    noise = [b for life in secrets for told in life.sent[:2] for b in _bent(told)]
    state, answers = asyncio.run(_left(Street(secrets, opens), None))
    for told in (told for life in secrets for told in life.sent):
        expected = DURABLE if told.answer is None else told.answer.text
        assert answers[told.day.digest] == expected
    assert asyncio.run(_left(Street(secrets, opens, noise), seed)) == (state, answers)
