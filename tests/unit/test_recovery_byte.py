"""A device's signature gets the one recovery byte that names its key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto import curve, recovery

SECRET = b"\x51" * 32
PUBLIC = curve.backend().public_of(SECRET)


@given(st.binary(min_size=32, max_size=32))
def test_the_named_signature_recovers_its_key(digest: bytes) -> None:
    signature, odd = recovery.sign(SECRET, digest)
    made = recovery.named(digest, signature, PUBLIC)
    assert made == signature + bytes((odd,))


def test_a_signature_of_something_else_is_not_named() -> None:
    signature, _ = recovery.sign(SECRET, bytes(32))
    with pytest.raises(ValueError, match="not by this key"):
        recovery.named(b"\x01" * 32, signature, PUBLIC)
