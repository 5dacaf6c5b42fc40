"""Every rule of acceptance: what is taken, and the reason for what is not."""

from dataclasses import replace

import pytest

from meterseal_aggregator.intake.accept import MAX_SKIP, Chain, Fate, Verdict, fault_of
from meterseal_aggregator.intake.judge import (
    Spoiled,
    faults_of,
    first_look,
    open_all,
    second_look,
)
from meterseal_aggregator.intake.port import Incoming
from meterseal_aggregator.registry.model import Claim, KeyValidity
from meterseal_proto.errors import Reason, Rejected
from meterseal_proto.keys import PublicKey
from meterseal_proto.message import decode_seal, encode_seal
from meterseal_proto.units import Quality
from tests.support.devices import (
    BEGAN_AT,
    CAPACITY_W,
    GENESIS,
    Device,
    Sent,
    claim_of,
    device,
)
from tests.support.misdeeds import (
    HISTORY,
    MISDEEDS,
    NOW,
    OTHER_KEY,
    Misdeed,
    first_sent,
    high_s,
)


class Register:
    """A chain with the device that feeds it, without a database."""

    def __init__(self, one: Device, claim: Claim | None = None) -> None:
        self.device = one
        self.chain = Chain.of(claim or claim_of(one), None)
        self.now = NOW

    def take(self, payload: bytes, agent: str = "pi-1") -> Verdict:
        """Judge one message."""
        offers, spoiled = open_all(
            [Incoming(agent, payload, None)], GENESIS.network, GENESIS.chain_id
        )
        if spoiled:
            assert isinstance(spoiled[0], Spoiled)
            return Verdict(Fate.REFUSED, spoiled[0].reason)
        name = (self.device.meter, self.device.register)
        trial = first_look(offers, {name: self.chain}, self.now)
        judged = trial.judged + second_look(trial.pending, faults_of(trial.pending))
        return judged[0].verdict

    def accept(self, *deltas: int) -> Sent:
        """Send and have accepted."""
        sent = self.device.tell(*deltas)
        assert self.take(sent.payload).fate is Fate.ACCEPTED
        return sent


@pytest.fixture
def register() -> Register:
    found = Register(device())
    for deltas in HISTORY:
        found.accept(*deltas)
    return found


@pytest.mark.parametrize("misdeed", MISDEEDS, ids=lambda m: m.name)
def test_each_bad_input_has_its_reason(register: Register, misdeed: Misdeed) -> None:
    before = register.chain.head
    verdict = register.take(misdeed.act(register.device))
    assert verdict.reason == misdeed.reason
    if verdict.reason is None:
        assert verdict.fate is Fate.DUPLICATE
    elif verdict.reason.advances:
        assert verdict.fate is Fate.QUARANTINED
    else:
        assert verdict.fate is Fate.REFUSED
        assert register.chain.head == before


def test_a_quarantined_seal_is_known_by_its_reason_ever_after(
    register: Register,
) -> None:
    sent = register.device.seal(register.device.records([CAPACITY_W]))
    assert register.take(sent.payload).fate is Fate.QUARANTINED
    register.now += 200 * 86_400
    again = register.take(sent.payload)
    assert (again.fate, again.reason) == (Fate.DUPLICATE, Reason.CAPACITY)


def test_an_accepted_seal_stays_a_duplicate_when_window_and_key_have_passed(
    register: Register,
) -> None:
    register.chain.claim = claim_of(
        register.device, KeyValidity(register.device.key.public, 7, None)
    )
    register.now += 200 * 86_400
    for payload in (
        first_sent(register.device).payload,
        high_s(first_sent(register.device)),
    ):
        assert register.take(payload).fate is Fate.DUPLICATE


def test_the_chain_goes_on_over_a_quarantined_seal_and_a_long_record_closes_the_hole(
    register: Register,
) -> None:
    one = register.device
    gap = one.seal([replace(one.records([50])[0], start=one.head.end + 900)])
    assert register.take(gap.payload).reason is Reason.GAP
    one.answered(gap, Reason.GAP)
    header = one.next_header(one.head.end, 1800)
    (record,) = replace(one, step=1800).records([130], quality=Quality.QUESTIONABLE)
    closing = one.seal([record], header)
    assert register.take(closing.payload).fate is Fate.ACCEPTED
    one.answered(closing)
    register.accept(70)
    assert register.chain.head == one.head


def test_a_hole_older_than_the_window_can_still_be_closed(register: Register) -> None:
    one = register.device
    register.now = one.head.end + 200 * 86_400
    length = 190 * 86_400
    header = one.next_header(one.head.end, length)
    (record,) = replace(one, step=length).records([9_000], quality=10)
    assert register.take(one.seal([record], header).payload).fate is Fate.ACCEPTED


def test_a_final_refusal_was_given_of_a_verified_signature_only(
    register: Register,
) -> None:
    one = register.device
    register.now += 200 * 86_400
    late = one.seal(one.records([10]))
    forged = encode_seal(replace(late.seal, signature=bytes(64)))
    assert register.take(forged).reason is Reason.BAD_SIGNATURE
    assert register.take(late.payload).reason is Reason.TIME_WINDOW
    register.now -= 200 * 86_400
    assert register.take(late.payload).fate is Fate.ACCEPTED


@pytest.mark.parametrize("misdeed", MISDEEDS, ids=lambda m: m.name)
def test_without_the_devices_signature_no_refusal_is_final(
    register: Register, misdeed: Misdeed
) -> None:
    payload = misdeed.act(register.device)
    try:
        seal = decode_seal(payload, GENESIS.network)
    except Rejected:
        return
    verdict = register.take(encode_seal(replace(seal, signature=bytes(64))))
    assert verdict.reason is None or not verdict.reason.final


def test_a_long_record_may_not_end_in_the_future(register: Register) -> None:
    one = register.device
    header = one.next_header(one.head.end, 300 * 86_400)
    (record,) = replace(one, step=300 * 86_400).records([9_000], quality=10)
    assert register.take(one.seal([record], header).payload).reason is Reason.TOO_EARLY


def test_a_meter_that_was_reset_goes_on_from_its_new_value(register: Register) -> None:
    one = register.device
    reset = one.seal([replace(one.records([0])[0], value=3)])
    assert register.take(reset.payload).reason is Reason.BACKWARD_REGISTER
    one.answered(reset, Reason.BACKWARD_REGISTER)
    assert register.chain.head == one.head
    register.accept(40)


@pytest.mark.parametrize("reason", [r for r in Reason if r.final and not r.advances])
def test_after_a_final_refusal_the_next_seal_has_the_same_prev_and_a_higher_seq(
    register: Register, reason: Reason
) -> None:
    one = register.device
    refused = one.seal(one.records([10]))
    one.answered(refused, reason)
    header = replace(one.next_header(one.head.end), seq=one.head.seq + 2)
    assert (
        register.take(one.seal(one.records([10]), header).payload).fate is Fate.ACCEPTED
    )


def test_no_seal_uses_up_the_numbers_of_a_registers_life(register: Register) -> None:
    one = register.device
    before = one.head.seq
    for skip, reason in ((MAX_SKIP + 1, Reason.OUT_OF_ORDER), (MAX_SKIP, None)):
        header = replace(one.next_header(one.head.end), seq=before + skip)
        sent = one.seal(one.records([10]), header)
        assert register.take(sent.payload).reason is reason
    assert register.chain.head.seq == before + MAX_SKIP


def test_a_seq_left_out_cannot_be_filled_later(register: Register) -> None:
    one = register.device
    header = replace(one.next_header(one.head.end), seq=one.head.seq + 2)
    late = one.seal(one.records([11]))
    assert (
        register.take(one.seal(one.records([10]), header).payload).fate is Fate.ACCEPTED
    )
    assert register.take(late.payload).reason is Reason.REPLAYED_SEQ


def test_a_meter_of_another_agent_is_unknown(register: Register) -> None:
    sent = register.device.seal(register.device.records([10]))
    assert register.take(sent.payload, "pi-2").reason is Reason.UNKNOWN_METER
    assert register.take(first_sent(register.device).payload, "pi-2").reason is (
        Reason.UNKNOWN_METER
    )


def _rotated(one: Device, *, at: int, new: bool = True) -> Claim:
    old = KeyValidity(one.key.public, 1, at - 1)
    later = (KeyValidity(OTHER_KEY.public, at, None),) if new else ()
    return claim_of(one, old, *later)


def test_a_key_speaks_only_for_its_own_seqs() -> None:
    one = device()
    register = Register(one, _rotated(one, at=2))
    early = replace(one, key=OTHER_KEY).tell(5)
    assert register.take(early.payload).reason is Reason.KEY_NOT_YET_VALID
    register.accept(5)
    late = one.seal(one.records([6]))
    assert register.take(late.payload).reason is Reason.KEY_REVOKED
    rotated = replace(one, key=OTHER_KEY)
    assert register.take(rotated.seal(one.records([6])).payload).fate is Fate.ACCEPTED


def test_a_wrong_signature_costs_three_checks_however_many_keys_there_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, tried = device(), []
    others = [device(n).key.public for n in range(2, 42)]
    keys = [KeyValidity(key, n, n) for n, key in enumerate(others, 1)]
    verify = PublicKey.verify

    def counted(self: PublicKey, digest: bytes, signature: bytes) -> bool:
        tried.append(self)
        return verify(self, digest, signature)

    monkeypatch.setattr(PublicKey, "verify", counted)
    for seq in (20, 1, 40):
        seal = one.seal(one.records([1])).seal
        digest = seal.header.digest(GENESIS.chain_id)
        found = fault_of(claim_of(one, *keys), seq, digest, seal.signature)
        assert found is Reason.BAD_SIGNATURE
        assert set(tried) <= {
            keys[n - 1].public for n in (seq - 1, seq + 1) if 0 < n <= 40
        }
        tried.clear()


def test_without_any_key_for_a_seq_the_reason_says_which_side() -> None:
    one = device()
    revoked = Register(one, _rotated(one, at=2, new=False))
    revoked.accept(5)
    assert revoked.take(one.tell(5).payload).reason is Reason.KEY_REVOKED
    two = device(2)
    unborn = Register(two, claim_of(two, KeyValidity(two.key.public, 3, None)))
    assert unborn.take(two.tell(5).payload).reason is Reason.KEY_NOT_YET_VALID


def test_capacity_allows_a_tenth_more_and_one_watt_hour(register: Register) -> None:
    most = CAPACITY_W * 11 * 900 // 36_000 + 1
    register.accept(most)
    sent = register.device.seal(register.device.records([most + 1]))
    assert register.take(sent.payload).reason is Reason.CAPACITY


def test_the_window_is_exact(register: Register) -> None:
    one = register.device
    sent = one.seal(one.records([10]))
    end = sent.seal.header.end
    for now, fate in (
        (end - 301, Fate.REFUSED),
        (one.head.end + 130 * 86_400 + 1, Fate.REFUSED),
        (end - 300, Fate.ACCEPTED),
    ):
        register.now = now
        assert register.take(sent.payload).fate is fate
    assert BEGAN_AT < NOW


def test_in_one_batch_twins_are_told_apart_and_a_forged_one_spoils_nothing() -> None:
    one = device()
    chain = Chain.of(claim_of(one), None)
    good, twin = one.seal(one.records([5])), one.seal(one.records([6]))
    messages = [
        Incoming("pi-1", payload, None)
        for payload in (high_s(good), good.payload, good.payload, twin.payload)
    ]
    offers, _ = open_all(messages, GENESIS.network, GENESIS.chain_id)
    trial = first_look(offers, {(one.meter, one.register): chain}, NOW)
    judged = second_look(trial.pending, faults_of(trial.pending))
    fates = [(j.offer.digest == good.digest, j.verdict[:2]) for j in judged]
    assert fates == [
        (True, (Fate.ACCEPTED, None)),
        (True, (Fate.DUPLICATE, None)),
        (False, (Fate.REFUSED, Reason.EQUIVOCATION)),
        (True, (Fate.DUPLICATE, None)),
    ]
