"""Every backend, with and without the extras, makes the same proofs; none leaks a usage."""

import json
import runpy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from meterseal_proto import bignum
from meterseal_proto.commitment import bases, commit
from meterseal_proto.curve import ORDER
from meterseal_proto.group import Group, Point, group, groups
from meterseal_proto.rangeproof import Statement, parse
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret
from meterseal_proto.tensor import Tensors

ROOT = Path(__file__).parents[2]
GOLDEN = (ROOT / "proto/vectors/rangeproof.json").read_text()
WAYS = ("coincurve", "btclib", "system", "py-ecc")
BARRED = {
    "coincurve": (),
    "btclib": ("coincurve._libsecp256k1",),
    "system": ("coincurve._libsecp256k1", "btclib_secp256k1"),
    "py-ecc": ("coincurve._libsecp256k1", "btclib_secp256k1", "cffi"),
}
EXTRAS = (("numpy",), ("gmpy2",), ("numpy", "gmpy2"))


def run_without(*modules: str) -> dict[str, Any]:
    """Run the golden cases elsewhere; what comes back is JSON."""
    command = [sys.executable, "-m", "tests.support.proof_run", *modules]
    done = subprocess.run(
        command, input=GOLDEN, cwd=ROOT, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found = run_without()
    assert found["group"] == "coincurve"
    assert found["proofs"] == [case["proof"] for case in json.loads(GOLDEN)["proofs"]]
    assert found["all hold"]
    assert found["failing"] == [1]
    return found


@pytest.mark.parametrize("way", WAYS[1:])
def test_every_backend_makes_and_judges_the_same_proofs(
    way: str, expected: dict[str, Any]
) -> None:
    if way not in {one.name for one in groups()}:
        pytest.skip(f"no {way} libsecp256k1 on this machine")
    assert run_without(*BARRED[way]) == expected | {"group": way}


@pytest.mark.parametrize("barred", EXTRAS, ids=" and ".join)
def test_without_the_extras_nothing_is_different(
    barred: tuple[str, ...], expected: dict[str, Any]
) -> None:
    assert run_without(*barred) == expected


@pytest.mark.parametrize("barred", [(), ("gmpy2",)], ids=("with", "without"))
def test_numbers_packed_side_by_side_come_out_again(
    barred: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in barred:
        monkeypatch.setitem(sys.modules, name, None)
    big = runpy.run_path(bignum.__file__)
    mpz, pack, unpack, room = (
        big[name] for name in ("mpz", "pack", "unpack", "SLOT_BITS")
    )
    assert (type(mpz(1)) is int) is bool(barred)
    numbers = [mpz(n) for n in (0, 1, 2**512 - 1, 0, (1 << room) - 1, 0, 0)]
    assert unpack(pack(numbers), len(numbers)) == numbers
    assert unpack(mpz(0), 3) == [0, 0, 0]
    assert unpack(3 * pack(numbers[:3]), 3) == [0, 3, 3 * (2**512 - 1)]
    assert big["invert"](3, ORDER) * 3 % ORDER == 1


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 9])
def test_a_tensor_is_the_product_over_the_bits_of_every_place(count: int) -> None:
    steps = [bignum.mpz(ORDER - 1 - n * n) for n in range(count)]
    sums = Tensors()
    for start in (bignum.mpz(ORDER - 1), bignum.mpz(5)):
        sums.add(start, steps)
    sums.add(bignum.mpz(3), steps[:1])
    found = sums.totals(1 << count)
    for place in range(1 << count):
        product = 1
        for bit, step in enumerate(steps):
            product = product * step % ORDER if place >> bit & 1 else product
        least = 3 * product if place < min(2, 1 << count) else 0
        assert found[place] == (4 * product + least) % ORDER


class Spy:
    """A group that writes down what multiplies in public, and how often in secret."""

    def __init__(self, inner: Group) -> None:
        self.name = inner.name
        self.inner = inner
        self.public: list[int] = []
        self.secret: list[str] = []

    def times(self, point: Point, scalar: int) -> Point | None:
        self.public.append(scalar % ORDER)
        return self.inner.times(point, scalar)

    def combine(self, points: Sequence[Point], scalars: Sequence[int]) -> Point | None:
        self.public += [scalar % ORDER for scalar in scalars]
        return self.inner.combine(points, scalars)

    def base(self, scalar: Secret) -> Point | None:
        self.secret.append("base")
        return self.inner.base(scalar)

    def times_secret(self, point: Point, scalar: Secret) -> Point | None:
        self.secret.append("times_secret")
        return self.inner.times_secret(point, scalar)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    bases()
    prove(*witnessed([1]))
    found = Spy(group())
    monkeypatch.setattr("meterseal_proto.group.groups", lambda: iter([found]))
    group.cache_clear()
    yield found
    group.cache_clear()


def witnessed(values: list[int]) -> tuple[Statement, list[Opening]]:
    openings = [Opening(Secret(v), Secret(v + 9)) for v in values]
    made = tuple(commit(one.value, one.blinding) for one in openings)
    return Statement(bytes(32), 16, made), openings


def known(said: Statement, raw: bytes) -> list[int]:
    """What multiplies in public, as anybody knows it who has the proof."""
    proof, heard, size = parse(raw, said), said.transcript(), said.size
    heard.absorb(b"A", proof.first)
    y, z = heard.challenge(b"y"), heard.challenge(b"z")
    found = first_round(y, z, size)
    for left, right in proof.rounds:
        heard.absorb(b"L", left)
        heard.absorb(b"R", right)
        e = heard.challenge(b"e")
        size //= 2
        found += [e * e * pow(y, -size, ORDER) % ORDER] * size
        found += [pow(e, -2, ORDER)] * size
    return found


def first_round(y: int, z: int, size: int) -> list[int]:
    """Signs are halved, the rest is z, and on H the paper's d times powers of y."""
    half, bits = pow(2, -1, ORDER), 16
    ahead = pow(y, size // 2, ORDER)
    on_h = []
    for place in range(size):
        d = pow(z, 2 * (place // bits + 1), ORDER) << place % bits
        on_h.append(half - 1 + z + d * pow(y, size - place, ORDER))
    found = []
    for by, rest in (
        (pow(ahead, -1, ORDER), on_h[size // 2 :]),
        (ahead, on_h[: size // 2]),
    ):
        found += [half * by, half, (half - z) * by, *rest]
    return [number % ORDER for number in found]


def test_all_that_multiplies_in_public_follows_from_the_proof_alone(spy: Spy) -> None:
    secret = []
    for values in ([0, 1, 2], [65_535, 40_000, 7]):
        said, openings = witnessed(values)
        assert not spy.public
        raw = prove(said, openings)
        assert spy.public == known(said, raw)
        secret.append(list(spy.secret))
        spy.public.clear()
        spy.secret.clear()
    assert secret[0] == secret[1]
    # B in A; V and B in each L and R, after the first round 4h generators; A' and B.
    assert len(secret[0]) - 6 == 1 + 4 + sum(4 * 2**k + 4 for k in range(5)) + 6


def test_the_spy_sees_a_prover_that_multiplies_usage_in_public(
    spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(point: Point, scalar: Secret) -> Point | None:
        return spy.times(point, scalar.reveal())

    said, openings = witnessed([5])
    monkeypatch.setattr(spy, "times_secret", careless, raising=False)
    raw = prove(said, openings)
    assert spy.public != known(said, raw)


def test_a_secret_handed_to_a_public_route_stops_the_proof(
    spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spy, "times_secret", spy.inner.times, raising=False)
    said, openings = Statement(bytes(32), 16, (b"C",)), [Opening(Secret(5), Secret(6))]
    with pytest.raises(TypeError, match="never enters it"):
        prove(said, openings)
