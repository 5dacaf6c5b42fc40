"""A meter's seeds at the aggregator: the first stand, under the key in force, for these trustees."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_aggregator.privacy import deposits
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_aggregator.privacy.trustees.pinned import pin
from meterseal_proto.errors import Reason, Rejected, Unavailable
from meterseal_proto.keys import RootSecret
from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import Deposit, TrusteeKey, deposited
from meterseal_proto.units import MeterId
from tests.support.committed import CommittedDevice, committed_device
from tests.support.devices import GENESIS, add_keys, device
from tests.support.frontdesk import FrontDesk, front_desk

SEEDS = [bytes([n]) * 32 for n in (1, 2, 3)]


def trustee_key(number: int) -> TrusteeKey:
    seed = bytes([7 + number]) * 32
    box = X25519PrivateKey.from_private_bytes(seed).public_key()
    sign = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return TrusteeKey(number, box.public_bytes_raw(), sign.public_bytes_raw())


TRUSTEES = PinnedTrustees(
    GENESIS.network, (trustee_key(0), trustee_key(1), trustee_key(2))
)


def given(home: CommittedDevice) -> list[Deposit]:
    return [
        deposited(home.key, GENESIS.network, home.meter, key, SEEDS)
        for key in TRUSTEES.keys
    ]


async def take(desk: FrontDesk, wish: Sequence[Deposit]) -> None:
    async with desk.database.transaction() as tx:
        await deposits.take(tx, wish, 1)


async def refused(desk: FrontDesk, wish: Sequence[Deposit]) -> Reason:
    with pytest.raises(Rejected) as caught:
        await take(desk, wish)
    return caught.value.reason


HOME = committed_device(1)
OPEN = device(2)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FrontDesk]:
    async with front_desk(tmp_path, [HOME, OPEN]) as desk:
        async with desk.database.transaction() as tx:
            await pin(tx, TRUSTEES)
        yield desk


async def test_the_first_deposit_stands_and_the_same_again_changes_nothing(
    desk: FrontDesk,
) -> None:
    first, other = given(HOME), given(HOME)
    await take(desk, first)
    await take(desk, first)
    assert await refused(desk, other) is Reason.EQUIVOCATION
    assert await desk.count("seed_deposits") == 1


async def test_a_deposit_is_of_a_committed_meter_under_its_key_for_these_trustees(
    desk: FrontDesk,
) -> None:
    good = given(HOME)
    stranger = replace(HOME, meter=MeterId(bytes(16)))
    taken = replace(HOME, key=RootSecret(bytes(31) + b"\x09").seal_key())
    unread = replace(HOME, meter=OPEN.meter, key=OPEN.key)
    for home in (stranger, taken, unread):
        assert await refused(desk, given(home)) is Reason.UNKNOWN_METER
    swapped = [good[1], good[0], good[2]]
    assert await refused(desk, swapped) is Reason.BAD_SIGNATURE
    cut = replace(good[2], boxes=(good[2].boxes[0], good[2].boxes[1][:-1]))
    for bad in (good[:2], [], [*good[:2], cut], [*good[:2], given(stranger)[2]]):
        assert await refused(desk, bad) is Reason.MALFORMED
    assert await desk.count("seed_deposits") == 0


async def test_a_key_that_was_ended_deposits_nothing(desk: FrontDesk) -> None:
    async with desk.database.transaction() as tx:
        await tx.rows("UPDATE key_spans SET to_seq = 9, ended_by = 'revocation'")
    assert await refused(desk, given(HOME)) is Reason.KEY_REVOKED


async def test_a_replaced_device_deposits_under_its_new_key_and_the_roster_keeps_the_first(
    desk: FrontDesk,
) -> None:
    """Whether its seeds are the old ones, only trustees can tell: they open the boxes."""
    await take(desk, given(HOME))
    new = replace(HOME, key=RootSecret(bytes(31) + b"\x09").seal_key())
    async with desk.database.transaction() as tx:
        await tx.rows("UPDATE key_spans SET to_seq = 0, ended_by = 'replacement'")
        await add_keys(tx, [(HOME.register_id, new.key.public, 1)])
    assert await refused(desk, given(HOME)) is Reason.KEY_REVOKED
    await take(desk, given(new))
    await signed_by_all(desk, 2)
    async with desk.database.reading() as tx:
        assert set(await deposits.kept(tx, [HOME.meter])) == {HOME.meter}
        assert await deposits.lacking(tx, [HOME.meter]) == [HOME.meter]
    await signed_by_all(desk, 1)
    async with desk.database.reading() as tx:
        assert await deposits.lacking(tx, [HOME.meter]) == []


async def signed_by_all(desk: FrontDesk, deposit: int) -> None:
    async with desk.database.transaction() as tx:
        await tx.many(
            "INSERT INTO trustee_answers (act, subject, trustee, signature, said_at)"
            " VALUES (?, ?, ?, ?, 1)",
            [(Act.DEPOSIT, deposit, number, bytes(64)) for number in range(3)],
        )


async def test_seeds_are_kept_once_all_three_trustees_signed(desk: FrontDesk) -> None:
    await take(desk, given(HOME))
    for number in range(3):
        async with desk.database.transaction() as tx:
            assert await deposits.kept(tx, [HOME.meter]) == {}
            await tx.many(
                "INSERT INTO trustee_answers (act, subject, trustee, signature, said_at)"
                " VALUES (?, 1, ?, ?, 1)",
                [(Act.DEPOSIT, number, bytes([number]) * 64)],
            )
    async with desk.database.reading() as tx:
        found = await deposits.kept(tx, [HOME.meter, OPEN.meter])
    assert found == {HOME.meter: (bytes(64), b"\x01" * 64, b"\x02" * 64)}


async def test_without_trustees_and_with_others_nothing_is_taken(
    tmp_path: Path,
) -> None:
    async with front_desk(tmp_path, [HOME]) as desk:
        with pytest.raises(Unavailable, match="no trustees"):
            await take(desk, given(HOME))
        others = PinnedTrustees(bytes(32), TRUSTEES.keys)
        async with desk.database.transaction() as tx:
            await pin(tx, TRUSTEES)
            await pin(tx, TRUSTEES)
            with pytest.raises(Unavailable, match="other trustees"):
                await pin(tx, others)
