"""Range proofs checked as the paper prints it: round by round, nothing unrolled or batched.

ePrint 2020/735: figure 3 turns ranges into a weighted inner product, figure 1 folds it,
and every round's generators are really computed. The curve's formulas are py-ecc's,
hashes are hashlib's; generators, transcript and layout are written again from what the
docstrings say. It must never import `rangechecker`, whose second opinion it is, nor
anything that multiplies points for it.
"""

import hashlib
import sys
from collections.abc import Sequence
from functools import lru_cache

# py-ecc raises the limit to 100,000, for every test of the process.
_LIMIT = sys.getrecursionlimit()
from py_ecc.secp256k1 import secp256k1 as curve  # noqa: E402

sys.setrecursionlimit(_LIMIT)
N, P = curve.N, curve.P
Point = tuple[int, int, int]
"""Jacobian, as py-ecc takes it; y = 0 is infinity there."""
INFINITY: Point = (0, 0, 1)
SET_HASH = bytes.fromhex(
    "80442353eeb74d788f934cadf00e1ea43e065d7f3949eec32abf7cf2a799dcd5"
)
"""Of the generators; proto/vectors/make_rangeproof.py makes it again."""
TAG = b"meterseal/range-proof/generator/v1"
V = "02deb4939a0646e2b0195b635f74101f85cb94f9664e7b93e0d8f7f78f70af4c3c"
B = "0214f0b161484e09db799f8dc7579db823aa7162bfa4155848482d28f94dfde02d"


class Malformed(ValueError):
    """Bytes are no proof."""


class Chain:
    """state <- SHA-512(state || kind || item ...), every item after its length as u64."""

    def __init__(self) -> None:
        begun = b"meterseal/transcript/v1" + _framed(b"meterseal/range-proof/v1")
        self.state = hashlib.sha512(begun).digest()

    def hear(self, label: bytes, data: bytes) -> None:
        item = self.state + b"\x01" + _framed(label) + _framed(data)
        self.state = hashlib.sha512(item).digest()

    def ask(self, label: bytes) -> int:
        self.state = hashlib.sha512(self.state + b"\x02" + _framed(label)).digest()
        number = int.from_bytes(hashlib.sha512(self.state + b"\x03").digest()) % N
        return number or self.ask(label)


def _framed(item: bytes) -> bytes:
    return len(item).to_bytes(8) + item


def lift(raw: bytes) -> Point:
    """Return the point of 33 bytes (SEC 1, 2.3.4); Malformed for any other bytes."""
    if len(raw) != 33 or raw[0] not in {2, 3} or int.from_bytes(raw[1:]) >= P:
        raise Malformed("no compressed point")
    x = int.from_bytes(raw[1:])
    y = pow(x**3 + 7, (P + 1) // 4, P)
    if (y * y - x**3 - 7) % P:
        raise Malformed("not on the curve")
    return (x, y if y % 2 == raw[0] % 2 else P - y, 1)


@lru_cache(None)
def generator(letter: bytes, index: int) -> Point:
    """Return the first point with even y whose x is a hash of tag, letter, index, counter."""
    counter = 0
    while True:
        seed = TAG + letter + index.to_bytes(4) + counter.to_bytes(4)
        try:
            return lift(b"\x02" + hashlib.sha256(seed).digest())
        except Malformed:
            counter += 1


def add(one: Point, other: Point) -> Point:
    return tuple(curve.jacobian_add(one, other))  # type: ignore[return-value]


def double(one: Point) -> Point:
    return tuple(curve.jacobian_double(one))  # type: ignore[return-value]


def is_infinity(one: Point) -> bool:
    return one[1] == 0 or one[2] == 0


def weighted(points: Sequence[Point], scalars: Sequence[int]) -> Point:
    """Return the sum of multiples, four bits at a time: every multiple by its bucket."""
    total = INFINITY
    for shift in range(252, -1, -4):
        for _ in range(4):
            total = double(total)
        buckets = [INFINITY] * 16
        for point, scalar in zip(points, scalars, strict=True):
            digit = scalar % N >> shift & 15
            if digit:
                buckets[digit] = add(buckets[digit], point)
        running = window = INFINITY
        for bucket in reversed(buckets[1:]):
            running = add(running, bucket)
            window = add(window, running)
        total = add(total, window)
    return total


def pair(one: Point, by: int, other: Point, by_other: int) -> Point:
    """Return by * one + by_other * other: two bits of both at a time (Straus)."""
    row = [INFINITY, one, double(one)]
    row.append(add(row[2], one))
    table = [row]
    for _ in range(3):
        table.append([add(entry, other) for entry in table[-1]])
    total = INFINITY
    by, by_other = by % N, by_other % N
    for shift in range(254, -1, -2):
        total = add(
            double(double(total)), table[by_other >> shift & 3][by >> shift & 3]
        )
    return total


@lru_cache(8)
def folded(y: int, challenges: tuple[int, ...]) -> tuple[Point, Point]:
    """Return g and h after every folding of figure 1.

    Kept for a few proofs: those that differ after the last folding share it.
    """
    half = 1 << len(challenges)
    g = [generator(b"G", index) for index in range(half)]
    h = [generator(b"H", index) for index in range(half)]
    for e in challenges:
        half //= 2
        back, undo = pow(y, -half, N), pow(e, -1, N)
        g = [
            pair(a, undo, b, e * back) for a, b in zip(g[:half], g[half:], strict=True)
        ]
        h = [pair(a, e, b, undo) for a, b in zip(h[:half], h[half:], strict=True)]
    return g[0], h[0]


def accepts(
    context: bytes, bits: int, commitments: Sequence[bytes], proof: bytes
) -> bool:
    """Tell whether `proof` proves each commitment's value below 2^bits."""
    try:
        return is_infinity(remainder(context, bits, commitments, proof))
    except Malformed:
        return False


def remainder(
    context: bytes, bits: int, commitments: Sequence[bytes], proof: bytes
) -> Point:
    """Return the left side of the last step's equation less the right: infinity if proved."""
    count = 1
    while count < len(commitments):
        count *= 2
    size = bits * count
    rounds = size.bit_length() - 1
    at = 33 * (3 + 2 * rounds)
    if len(proof) != at + 96:
        raise Malformed("another length")
    r, s, d = [int.from_bytes(proof[at + k : at + k + 32]) for k in (0, 32, 64)]
    if r >= N or s >= N or d >= N:
        raise Malformed("a scalar is not reduced")
    said = [proof[k : k + 33] for k in range(0, at, 33)]
    points = [lift(raw) for raw in said]
    held = [lift(raw) for raw in commitments]

    chain = Chain()
    chain.hear(b"generators", SET_HASH)
    chain.hear(b"context", context)
    chain.hear(b"bits", bits.to_bytes(4))
    chain.hear(b"count", len(commitments).to_bytes(4))
    chain.hear(b"commitments", b"".join(commitments))
    chain.hear(b"A", said[0])
    y, z = chain.ask(b"y"), chain.ask(b"z")

    current = _weighted_inner_product(points[0], held, (bits, count), (y, z))
    challenges = []
    for k in range(rounds):
        chain.hear(b"L", said[3 + 2 * k])
        chain.hear(b"R", said[4 + 2 * k])
        e = chain.ask(b"e")
        challenges.append(e)
        left_and_right = (points[3 + 2 * k], current, points[4 + 2 * k])
        current = weighted(left_and_right, (e * e, 1, pow(e, -2, N)))
    chain.hear(b"A'", said[1])
    chain.hear(b"B", said[2])
    e = chain.ask(b"last")
    g, h = folded(y, tuple(challenges))
    return weighted(
        (current, points[1], points[2], g, h, lift(bytes.fromhex(V)), lift(bytes.fromhex(B))),
        (e * e, e, 1, -r * e, -s * e, -r * y * s, -d),
    )  # fmt: skip


def _weighted_inner_product(
    first: Point, held: Sequence[Point], shape: tuple[int, int], asked: tuple[int, int]
) -> Point:
    """Return figure 3's A-hat: A, -z on every g, d y^ + z on every h, the V_j, and zeta."""
    bits, count = shape
    y, z = asked
    size = bits * count
    d = [pow(z, 2 * j, N) << i for j in range(1, count + 1) for i in range(bits)]
    powers = [pow(y, i, N) for i in range(1, size + 1)]
    zeta = (
        z * sum(powers) - z * sum(d) * pow(y, size + 1, N) - z * z * sum(powers)
    )  # fmt: skip
    g = [generator(b"G", index) for index in range(size)]
    h = [generator(b"H", index) for index in range(size)]
    on_h = [d[i] * powers[size - 1 - i] + z for i in range(size)]
    on_v = [pow(z, 2 * j, N) * pow(y, size + 1, N) for j in range(1, len(held) + 1)]
    return weighted(
        [first, *g, *h, *held, lift(bytes.fromhex(V))],
        [1, *[-z] * size, *on_h, *on_v, zeta],
    )


def encoded(point: Point) -> str:
    """Return a point's 33 bytes as hex, or the word infinity."""
    if is_infinity(point):
        return "infinity"
    x, y = curve.from_jacobian(point)
    return (bytes([2 + y % 2]) + int(x).to_bytes(32)).hex()
