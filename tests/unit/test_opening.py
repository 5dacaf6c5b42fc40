"""Bills a device signs over its hidden usage, and every bill it refuses."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_agent.outbox.model import Chain
from meterseal_agent.seal.opening import (
    NotOpened,
    Openings,
    PinnedLog,
    check_refinement,
    witnessed,
)
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import bills, proofs, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_proto.bill import BadBill, ProvedBill, check_bill
from meterseal_proto.checkpoint import (
    Checkpoint,
    NoteKey,
    Signature,
    parse_note,
    sign_note,
)
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.cosignature import CosignerKey, cosign
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errand_down import TariffTold
from meterseal_proto.errors import Reason
from meterseal_proto.merkle import inclusion_proof, leaf_hash, root_of
from meterseal_proto.receipt import Answer, Receipt, Refusal
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import IMPORT
from tests.support.boxes import KEYS
from tests.support.committed import flat
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.frontdesk import front_desk
from tests.support.private_home import (
    AGENT,
    DAY_S,
    METER,
    PrivateHome,
    midnight,
    private_device,
    readings,
)

USAGE = [(n * 911) % 1_503 for n in range(300)]
FIRST = midnight(BEGAN_AT)
END = FIRST + 2 * DAY_S
LATE = BEGAN_AT + 10 * DAY_S
FLAT = flat(250_000)


def by_hour(
    *bands: tuple[int, int, int], rest: int = 250_000, name: str = "t"
) -> Tariff:
    """Return a tariff with (from, to, price) bands of UTC minutes."""
    found = [Band(MicroPerKwh(p), begin=a, end=b) for a, b, p in bands]
    return Tariff(name, "EUR", "UTC", 0, (*found, Band(MicroPerKwh(rest))))


@dataclass
class Device:
    """A home with three accepted days, and its openings."""

    home: PrivateHome

    @property
    def chain(self) -> Chain:
        (chain,) = self.home.outbox.chains()
        return chain

    @property
    def openings(self) -> Openings:
        links = {(METER, IMPORT): self.home.device.link}
        return Openings(self.home.outbox, KEYS, GENESIS.network, links)

    def knows(self, *tariffs: Tariff, at: int = BEGAN_AT) -> None:
        for tariff in tariffs:
            self.openings.learn(tariff, now=at)

    def bill(self, tariff: Tariff, begin: int = FIRST, end: int = END) -> ProvedBill:
        return self.openings.bill(self.chain, begin, end, tariff.hash())

    def refuses(self, tariff: Tariff, begin: int = FIRST, end: int = END) -> str:
        count = len(self.home.outbox.openings(self.chain))
        with pytest.raises(NotOpened) as caught:
            self.bill(tariff, begin, end)
        assert len(self.home.outbox.openings(self.chain)) == count
        return str(caught.value)


def answer(home: PrivateHome, reason: Reason | None = None) -> bytes:
    """Answer the day that waits; returns its message."""
    (stored,) = home.outbox.unanswered()
    named = (METER, IMPORT, stored.seq, stored.hash)
    durable = () if reason else (Answer(*named),)
    refused = (Refusal(*named, reason),) if reason else ()
    home.take([Receipt(GENESIS.network, AGENT, LATE, durable, refused)], LATE)
    return stored.payload


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with closing(PrivateHome(tmp_path / "home")) as made:
        made.read(readings(USAGE))
        while made.committer.cut():
            answer(made)
        yield Device(made)


def used(begin: int = FIRST, end: int = END) -> int:
    since = (begin - BEGAN_AT) // 900
    return sum(USAGE[since : since + (end - begin) // 900])


def test_a_bill_is_the_usage_at_its_prices(device: Device) -> None:
    device.knows(FLAT)
    bill = device.bill(FLAT)
    assert bill.statement.amount == used() * 250_000
    assert bill.statement.previous == device.home.device.link
    assert (bill.statement.revision, len(bill.statement.headers)) == (0, 2)


def test_the_same_bill_comes_whenever_it_is_asked_for_also_after_a_kill(
    device: Device,
) -> None:
    device.knows(FLAT)
    bill = device.bill(FLAT)
    device.home.kill()
    assert device.bill(FLAT) == bill
    assert device.home.outbox.openings(device.chain) == [bill]


def test_openings_name_the_one_before(device: Device) -> None:
    device.knows(FLAT)
    one = device.bill(FLAT, FIRST, FIRST + DAY_S)
    other = device.bill(FLAT, FIRST + DAY_S, END)
    assert other.statement.previous == one.statement.digest()


def test_periods_are_equal_or_apart(device: Device) -> None:
    device.knows(FLAT)
    device.bill(FLAT, FIRST, FIRST + DAY_S)
    assert "equal or disjoint" in device.refuses(FLAT, FIRST, END)


@pytest.mark.parametrize(
    ("begin", "end"),
    [(FIRST + 900, END), (FIRST, END + 2 * DAY_S), (FIRST, END - 900), (END, FIRST)],
)
def test_a_period_is_filled_by_accepted_days(
    device: Device, begin: int, end: int
) -> None:
    device.knows(FLAT)
    assert "not filled" in device.refuses(FLAT, begin, end)


def test_a_tariff_is_known_before_the_period_or_never(device: Device) -> None:
    assert "no tariff" in device.refuses(FLAT)
    device.knows(FLAT, at=FIRST + 1)
    assert "before the period" in device.refuses(FLAT)
    device.knows(FLAT, at=FIRST - 1)
    assert "before the period" in device.refuses(FLAT), "the first moment counts"


def test_a_tariff_is_valid_when_the_period_begins(device: Device) -> None:
    later = replace(FLAT, valid_from=FIRST + 1)
    device.knows(later)
    assert "before the period" in device.refuses(later)


def test_one_tariff_that_singles_out_an_interval_is_refused(device: Device) -> None:
    spy = by_hour((600, 615, 250_001))
    device.knows(spy)
    assert "fewer than 24" in device.refuses(spy)


def test_two_tariffs_that_together_single_out_intervals_are_refused(
    device: Device,
) -> None:
    one, other = by_hour((0, 480, 9_000), name="a"), by_hour((15, 480, 9_000), name="b")
    device.knows(one, other)
    first = device.bill(one)
    assert first.statement.amount < used() * 250_000
    assert "fewer than 24" in device.refuses(other)
    assert "times apart" not in device.refuses(other)


def test_prices_far_apart_are_refused(device: Device) -> None:
    code = by_hour((0, 720, 100 * 250_001))
    device.knows(code)
    assert "times apart" in device.refuses(code)


def test_a_legal_second_tariff_of_a_period_is_its_next_revision(
    device: Device,
) -> None:
    night = by_hour((0, 420, 100_000), name="night")
    device.knows(FLAT, night)
    device.bill(FLAT)
    assert device.bill(night).statement.revision == 1


def test_a_restored_device_opens_nothing_before_it_knows_its_chain(
    device: Device,
) -> None:
    device.knows(FLAT)
    restored = Openings(device.home.outbox, KEYS, GENESIS.network, {})
    with pytest.raises(NotOpened, match="restored"):
        restored.bill(device.chain, FIRST, END, FLAT.hash())


def test_what_was_opened_cannot_be_forgotten(device: Device) -> None:
    device.knows(FLAT)
    bill = device.bill(FLAT)
    with pytest.raises(sqlite3.IntegrityError):
        device.home.outbox.keep_opening(device.chain, bill)
    path = device.home.folder / "outbox.sqlite"
    with closing(sqlite3.connect(path)) as other:
        for sql in ("DELETE FROM openings", "UPDATE openings SET amount = '1'"):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(sql)


def test_a_corrected_day_is_not_opened_again(device: Device) -> None:
    night = by_hour((0, 420, 100_000), name="night")
    device.knows(FLAT, night)
    device.bill(FLAT)
    home = device.home
    day = home.outbox.days_between(device.chain, FIRST, END)[0]
    refusal = Refusal(METER, IMPORT, day.seq, day.hash, Reason.PROOF)
    home.take([Receipt(GENESIS.network, AGENT, LATE, (), (refusal,))], LATE)
    assert "not filled" in device.refuses(night)
    assert home.committer.cut() == 1
    answer(home)
    assert "corrected" in device.refuses(night)


def test_a_day_told_again_is_billed_as_it_was_told(device: Device) -> None:
    device.knows(FLAT)
    home = device.home
    day = home.outbox.days_between(device.chain, FIRST, END)[0]
    refusal = Refusal(METER, IMPORT, day.seq, day.hash, Reason.PROOF)
    home.take([Receipt(GENESIS.network, AGENT, LATE, (), (refusal,))], LATE)
    assert home.committer.cut() == 1
    again = decode_committed(answer(home), GENESIS.network)
    assert again.revision == 1
    bill = device.bill(FLAT, FIRST, FIRST + DAY_S)
    commitments = [record.commitment for record in again.records]
    prices = [250_000] * 96
    check_bill(bill, prices, commitments, KEYS.seal_key.public)
    with pytest.raises(BadBill):
        check_bill(bill, [*prices[:-1], 250_001], commitments, KEYS.seal_key.public)


async def test_the_aggregator_takes_the_bill_the_device_signs(tmp_path: Path) -> None:
    register = private_device()
    night = by_hour((0, 420, 100_000), name="night")
    async with front_desk(tmp_path, [register]) as desk:
        with closing(PrivateHome(tmp_path / "home", device=register)) as home:
            home.read(readings(USAGE))
            desk.now = LATE
            while home.committer.cut():
                home.prove()
                (stored,) = home.due(LATE)
                home.take(await desk.deliver(AGENT, [stored.payload]), LATE)
            await proofs.run_once(desk.database, GENESIS, LATE, set_aside)
            async with desk.database.transaction() as tx:
                for one in (FLAT, night):
                    await tariffs.publish(tx, one.document(), now=BEGAN_AT)
            device = Device(home)
            device.knows(FLAT, night)
            for tariff in (FLAT, night):
                bill = device.bill(tariff)
                async with desk.database.reading() as tx:
                    offer = await bills.gather(tx, bill, GENESIS)
                assert not isinstance(offer, KeptBill)
                bills.check(offer)
                async with desk.database.transaction() as tx:
                    await bills.keep(tx, offer, now=LATE)


LOG = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)


def vkey(name: str, key: Ed25519PrivateKey) -> str:
    return NoteKey(name, key.public_key().public_bytes_raw()).vkey


def cosigned(checkpoint: Checkpoint, *keys: tuple[str, Ed25519PrivateKey]) -> str:
    note = sign_note(checkpoint, LOG)
    for name, key in keys:
        key_id = NoteKey(name, key.public_key().public_bytes_raw()).key_id
        raw = key.sign(checkpoint.body().encode())
        note += Signature(name, key_id, raw).line()
    return note


PINNED = PinnedLog(vkey("log.example", LOG), vkey("witness.example", WITNESS))


def evidence(
    tariff: Tariff = FLAT,
    by: Sequence[tuple[str, Ed25519PrivateKey]] = (("witness.example", WITNESS),),
) -> TariffTold:
    document = tariff.document()
    leaves = [leaf_hash(bytes([n])) for n in range(5)]
    leaves[3] = leaf_hash(tariff_entry(document))
    checkpoint = Checkpoint("log.example", len(leaves), root_of(leaves))
    proof = inclusion_proof(leaves, 3)
    return TariffTold(document, 3, proof, cosigned(checkpoint, *by))


def test_a_tariff_in_the_log_under_two_pinned_keys_is_believed() -> None:
    assert witnessed(evidence(), PINNED) == FLAT


@pytest.mark.parametrize(
    "wrong",
    [
        evidence(by=()),
        evidence(by=(("witness.example", LOG),)),
        evidence(by=(("other.example", WITNESS),)),
        replace(evidence(), index=2),
        replace(evidence(), document=flat(250_001).document()),
        replace(evidence(), proof=evidence().proof[:-1]),
        replace(evidence(), note="no note"),
    ],
)
def test_a_tariff_that_is_not_witnessed_is_not_believed(wrong: TariffTold) -> None:
    with pytest.raises(NotOpened):
        witnessed(wrong, PINNED)


def test_one_key_pinned_twice_is_no_second_opinion() -> None:
    with pytest.raises(NotOpened, match="not one twice"):
        witnessed(evidence(), PinnedLog(PINNED.log, PINNED.log))


def by_witness(name: str = "witness.example", key: Ed25519PrivateKey = WITNESS) -> str:
    """Return a cosignature line under the checkpoint of `evidence`."""
    return cosign(parse_note(evidence().note).body, name, key, at=1_800_000_000).line()


def cosigner(name: str, key: Ed25519PrivateKey) -> str:
    return CosignerKey(name, key.public_key().public_bytes_raw()).vkey


COSIGNED = PinnedLog(PINNED.log, cosigner("witness.example", WITNESS))


def test_a_tariff_under_a_checkpoint_that_the_witness_cosigned_is_believed() -> None:
    told = evidence(by=())
    assert witnessed(replace(told, note=told.note + by_witness()), COSIGNED) == FLAT


@pytest.mark.parametrize(
    "lines",
    [
        "",
        by_witness("other.example"),
        by_witness(key=LOG),
        cosigned(
            Checkpoint("log.example", 1, bytes(32)), ("witness.example", WITNESS)
        ).splitlines(keepends=True)[-1],
        evidence().note.splitlines(keepends=True)[-1],
    ],
)
def test_a_tariff_the_witness_did_not_cosign_is_not_believed(lines: str) -> None:
    told = evidence(by=())
    with pytest.raises(NotOpened):
        witnessed(replace(told, note=told.note + lines), COSIGNED)


def test_the_logs_own_key_is_no_witness_under_another_name_or_type() -> None:
    told = evidence(by=())
    for second, line in (
        (cosigner("log.example", LOG), by_witness("log.example", LOG)),
        (cosigner("witness.example", LOG), by_witness(key=LOG)),
    ):
        with pytest.raises(NotOpened, match="not one twice"):
            witnessed(
                replace(told, note=told.note + line), PinnedLog(PINNED.log, second)
            )


def test_slots_that_everybody_knows_shield_nobody() -> None:
    check_refinement([[1] * 25], [0])
    with pytest.raises(NotOpened, match="23 intervals"):
        check_refinement([[1] * 24], [0])
