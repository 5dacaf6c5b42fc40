"""A device gives its mask seeds to three pinned trustees, once, and masks when all three signed."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_agent.seal.seeds import Deposits, NotPinned, Trustees, pinned
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.errand import SeedDeposits, decode_errand
from meterseal_proto.errand_down import SeedsKept
from meterseal_proto.errors import Malformed
from meterseal_proto.seedbox import opened
from meterseal_proto.totals import SEEDS, seeds_of
from meterseal_proto.units import MeterId
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.disclosure import in_message
from tests.support.errands import TRUSTEES, kept_by_all, trustee
from tests.support.private_home import (
    DAY_S,
    METER,
    SHOWS,
    PrivateHome,
    readings,
)

TOLD = [one.text() for one in TRUSTEES]
WRITTEN = [one.fingerprint() for one in TRUSTEES]
LATE = BEGAN_AT + 10 * DAY_S


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PrivateHome]:
    with closing(PrivateHome(tmp_path / "home")) as made:
        yield made


def deposits_of(home: PrivateHome, trustees: Trustees = TRUSTEES) -> Deposits:
    made = Deposits(home.outbox, KEYS, GENESIS.network, trustees)
    made.make([METER])
    return made


def seeds_in(payload: bytes) -> SeedDeposits:
    found = decode_errand(payload)
    assert isinstance(found, SeedDeposits)
    return found


def test_trustees_are_those_whose_fingerprints_were_written_down() -> None:
    assert pinned(TOLD, WRITTEN) == TRUSTEES


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([], "no three trustees"),
        (TOLD[:2], "no three trustees"),
        ([TOLD[1], TOLD[0], TOLD[2]], "trustee 0"),
        ([TOLD[0], trustee(1, lot=1).text(), TOLD[2]], "trustee 1"),
        ([TOLD[0], TOLD[1], replace(TRUSTEES[2], sign=bytes(32)).text()], "trustee 2"),
        ([TOLD[0], TOLD[1], replace(TRUSTEES[2], box=bytes(32)).text()], "trustee 2"),
        ([*TOLD[:2], "2:zz:zz"], "nobody can read"),
    ],
)
def test_other_trustees_than_those_written_down_are_refused(
    told: Sequence[str], says: str
) -> None:
    with pytest.raises(NotPinned, match=says):
        pinned(told, WRITTEN)


def test_each_trustee_can_open_all_seeds_but_its_own(home: PrivateHome) -> None:
    (payload,) = deposits_of(home).waiting().values()
    seeds = KEYS.root.mask_seeds(METER, SEEDS)
    for number, deposit in enumerate(seeds_in(payload).deposits):
        private = X25519PrivateKey.from_private_bytes(bytes([17 + number]) * 32)
        found = opened(deposit, private, GENESIS.network, number)
        assert found == {n: seeds[n] for n in seeds_of(number)}


def test_a_deposit_is_made_once_whatever_is_killed_when(home: PrivateHome) -> None:
    first = deposits_of(home).waiting()
    home.kill()
    again = deposits_of(home)
    assert again.waiting() == first
    told = kept_by_all(seeds_in(first[METER]))
    home.kill()
    late = deposits_of(home)
    assert late.take(told)
    home.kill()
    after = deposits_of(home)
    assert (after.waiting(), after.kept(METER)) == ({}, True)
    assert not after.take(told), "told again it changes nothing"


def test_signatures_of_others_keep_nothing(home: PrivateHome) -> None:
    made = deposits_of(home)
    (payload,) = made.waiting().values()
    true = kept_by_all(seeds_in(payload))
    one, two, three = true.signatures
    for wrong in (
        SeedsKept(METER, (one, two, bytes(64))),
        SeedsKept(METER, (two, one, three)),
        SeedsKept(METER, (one, one, one)),
        SeedsKept(MeterId(bytes(16)), true.signatures),
        kept_by_all(seeds_in(payload), network=bytes(32)),
    ):
        with pytest.raises(Malformed):
            made.take(wrong)
        assert not made.kept(METER)
    home.kill()
    assert not deposits_of(home).kept(METER)


def test_signatures_under_another_deposit_keep_nothing(
    home: PrivateHome, tmp_path: Path
) -> None:
    with closing(PrivateHome(tmp_path / "other")) as other:
        (payload,) = deposits_of(other).waiting().values()
        with pytest.raises(Malformed, match="did not sign"):
            deposits_of(home).take(kept_by_all(seeds_in(payload)))


def test_seeds_with_other_trustees_than_those_configured_count_for_nothing(
    home: PrivateHome,
) -> None:
    made = deposits_of(home)
    (payload,) = made.waiting().values()
    made.take(kept_by_all(seeds_in(payload)))
    others = (trustee(0), trustee(1), trustee(2, lot=1))
    later = deposits_of(home, others)
    assert (later.strange, later.waiting()) == ([METER], {})
    assert not later.kept(METER)
    assert deposits_of(home).kept(METER)


def test_what_was_deposited_and_signed_for_is_never_changed(home: PrivateHome) -> None:
    made = deposits_of(home)
    (payload,) = made.waiting().values()
    made.take(kept_by_all(seeds_in(payload)))
    with closing(sqlite3.connect(home.folder / "outbox.sqlite")) as other:
        for sql in (
            "UPDATE deposits SET payload = x'00'",
            "UPDATE deposits SET kept = NULL",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(sql)


def masked(home: PrivateHome) -> bool:
    """Tell whether the day that waits has its sum under masks, and answer it."""
    (stored,) = home.outbox.unanswered()
    home.accept(LATE)
    seal = decode_committed(stored.payload, GENESIS.network)
    return seal.envelope.parcel.masked is not None


def test_days_are_masked_from_the_cut_after_the_third_signature(
    home: PrivateHome,
) -> None:
    home.read(readings([40] * 300))
    made = deposits_of(home)
    assert home.committer.cut() == 1
    assert not masked(home), "deposited is not kept"
    (payload,) = made.waiting().values()
    made.take(kept_by_all(seeds_in(payload)))
    home.kill()
    home.totals = deposits_of(home).kept(METER)
    assert home.committer.cut() == 1
    assert masked(home)


def test_a_deposit_tells_nothing_of_usage_and_has_one_size(tmp_path: Path) -> None:
    sizes = set()
    for n, usage in enumerate(([0] * 300, [60_000] * 300)):
        with closing(PrivateHome(tmp_path / str(n))) as home:
            home.read(readings(usage))
            home.committer.cut()
            (payload,) = deposits_of(home).waiting().values()
        sizes.add(len(payload))
        assert in_message({SHOWS, *usage}, payload) == []
    assert len(sizes) == 1
