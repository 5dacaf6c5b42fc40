"""Usage comes back from its backup, with the root secret and no other, or not at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_agent.seal.restore import restored
from meterseal_proto import backup
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.committed_message import decode_committed
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import RootSecret
from tests.support.boxes import KEYS
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.private_home import DAY_S, PrivateHome, home, readings

USAGE = [n * 13 for n in range(192)]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[PrivateHome]:
    with home(tmp_path / "home") as made:
        made.read(s for n, s in enumerate(readings(USAGE)) if n != 3)
        made.committer.cut()
        yield made


def sealed(one: PrivateHome) -> CommittedSeal:
    (stored,) = one.outbox.unanswered()
    return decode_committed(stored.payload, GENESIS.network)


def test_a_day_comes_back_as_it_was(one: PrivateHome) -> None:
    seal = sealed(one)
    day = restored(KEYS.root, seal.header, seal.records, seal.envelope.parcel.backup)
    kept = one.outbox.day((1, 1))
    assert kept is not None
    assert (day.first, day.step) == (kept.first, kept.step)
    assert (day.values, day.qualities) == (kept.values, kept.qualities)
    assert day.values[3:5] == (None, 3 * 13 + 4 * 13)
    assert day.end <= BEGAN_AT + DAY_S


def test_another_secret_or_another_days_place_brings_back_nothing(
    one: PrivateHome,
) -> None:
    seal = sealed(one)
    kept = seal.envelope.parcel.backup
    with pytest.raises(Malformed, match="another day, register or device"):
        restored(RootSecret(bytes(32)), seal.header, seal.records, kept)
    for header in (
        replace(seal.header, seq=2),
        replace(seal.header, first=seal.header.first + 900),
    ):
        with pytest.raises(Malformed, match="another day, register or device"):
            restored(KEYS.root, header, seal.records, kept)


def test_usage_that_was_not_committed_to_is_not_taken(one: PrivateHome) -> None:
    seal = sealed(one)
    header = seal.header
    place = backup.Day(
        *(header.network, header.meter, header.register),
        *(header.first, header.step, header.seq),
    )
    store_key = KEYS.root.store_key
    values = backup.bring_back(store_key, place, seal.envelope.parcel.backup)
    lie = backup.keep(store_key, place, [*values[:-1], 1])
    with pytest.raises(Malformed, match="not what was committed to"):
        restored(KEYS.root, header, seal.records, lie)
    short = backup.keep(store_key, place, values[:-1])
    with pytest.raises(Malformed, match="of another day"):
        restored(KEYS.root, header, seal.records, short)
