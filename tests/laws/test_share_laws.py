"""A secret split two of three: any two give it back, one alone fits every secret."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.commissioning import split as rule
from meterseal_agent.commissioning.split import SHARE_BYTES, combine, split

SECRETS = st.binary(min_size=32, max_size=32)
CHANCE = st.binary(min_size=SHARE_BYTES, max_size=SHARE_BYTES)


def carryless(p: int, q: int) -> int:
    """Multiply in GF(256) the schoolbook way: a product, then a division by 0x11B."""
    whole = 0
    for at in range(8):
        if q >> at & 1:
            whole ^= p << at
    for at in range(14, 7, -1):
        if whole >> at & 1:
            whole ^= 0x11B << (at - 8)
    return whole


def test_the_field_is_that_of_fips_197() -> None:
    assert rule._times(0x57, 0x83) == 0xC1, "FIPS 197, 4.2"
    for p in range(256):
        assert [rule._times(p, q) for q in range(256)] == [
            carryless(p, q) for q in range(256)
        ]
    assert all(rule._times(p, rule._inverse(p)) == 1 for p in range(1, 256))


@given(SECRETS, CHANCE)
def test_any_two_shares_give_the_secret_back_and_three_agree(
    secret: bytes, chance: bytes
) -> None:
    shares = split(secret, chance)
    for pair in combinations(shares, 2):
        assert combine({x: shares[x] for x in pair}) == secret
    assert combine(shares) == secret


@given(SECRETS, SECRETS, CHANCE, st.sampled_from([1, 2, 3]))
def test_one_share_alone_is_a_share_of_every_secret(
    secret: bytes, other: bytes, chance: bytes, x: int
) -> None:
    """For each other secret there is the chance under which the very same share came."""
    share = split(secret, chance)[x]
    whole = other + rule._digest(other)
    over = rule._inverse(x)
    needed = bytes(rule._times(a ^ b, over) for a, b in zip(share, whole, strict=True))
    assert split(other, needed)[x] == share


@given(SECRETS, CHANCE, st.integers(0, SHARE_BYTES - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_and_a_third_share_that_differs_is_named(
    secret: bytes, chance: bytes, at: int, flip: int
) -> None:
    shares = split(secret, chance)
    bad = bytearray(shares[2])
    bad[at] ^= flip
    with pytest.raises(ValueError, match="not of one secret"):
        combine({1: shares[1], 2: bytes(bad)})
    third = bytearray(shares[3])
    third[at] ^= flip
    with pytest.raises(ValueError, match="share 3 does not agree"):
        combine(shares | {3: bytes(third)})


@given(SECRETS, CHANCE, CHANCE)
def test_shares_of_two_splits_do_not_go_together(
    secret: bytes, one: bytes, two: bytes
) -> None:
    if one == two:
        return
    with pytest.raises(ValueError, match="not of one secret"):
        combine({1: split(secret, one)[1], 2: split(secret, two)[2]})


@pytest.mark.parametrize(
    "shares", [{}, {1: bytes(36)}, {1: bytes(36), 4: bytes(36)}, {1: b"", 2: b""}]
)
def test_too_few_or_misshapen_shares_are_refused(shares: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="share"):
        combine(shares)
