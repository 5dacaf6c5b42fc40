"""The curve shim: what every backend refuses, and what loading one must not change."""

import subprocess
import sys

import pytest

from meterseal_proto.curve import ORDER, Backend, backends, verify_all
from tests.support.data import absent

SECRET = bytes(31) + b"\x05"
DIGEST = bytes(range(32))


@pytest.fixture(params=backends(), ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


def test_every_library_is_tried_here() -> None:
    names = [one.name for one in backends()]
    if "system" not in names:
        absent("libsecp256k1 is absent: apt install libsecp256k1-1")
    assert names == ["coincurve", "btclib", "system", "py-ecc"]


@pytest.mark.parametrize(
    "secret", [bytes(32), ORDER.to_bytes(32), b"\xff" * 32, b"", bytes(31)]
)
def test_what_is_no_scalar_cannot_sign(backend: Backend, secret: bytes) -> None:
    with pytest.raises(ValueError, match="scalar"):
        backend.sign(secret, DIGEST)


def test_a_digest_has_32_bytes(backend: Backend) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        backend.sign(SECRET, DIGEST[:-1])
    assert not backend.verify(backend.public_of(SECRET), DIGEST[:-1], bytes(64))


@pytest.mark.parametrize(
    "public",
    [
        b"",
        bytes(33),
        b"\x02" + bytes(32),
        b"\x04" + b"\x01" * 32,
        b"\x02" + b"\xff" * 32,
    ],
)
def test_what_is_no_point_verifies_nothing(backend: Backend, public: bytes) -> None:
    assert not backend.is_point(public)
    assert not backend.verify(public, DIGEST, backend.sign(SECRET, DIGEST))


def test_the_high_s_twin_of_a_good_signature_is_refused(backend: Backend) -> None:
    good = backend.sign(SECRET, DIGEST)
    twin = good[:32] + (ORDER - int.from_bytes(good[32:])).to_bytes(32)
    public = backend.public_of(SECRET)
    assert backend.verify(public, DIGEST, good)
    assert not backend.verify(public, DIGEST, twin)


def test_many_are_checked_in_order() -> None:
    best = backends()[0]
    public, good = best.public_of(SECRET), best.sign(SECRET, DIGEST)
    bad = bytes(64)
    checks = [(public, DIGEST, s) for s in (good, bad, good)]
    assert verify_all(checks) == [True, False, True]


def test_loading_the_fallback_leaves_the_recursion_limit_alone() -> None:
    program = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from meterseal_proto.curve import backends; backends()\n"
        "sys.exit(sys.getrecursionlimit() != before)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
