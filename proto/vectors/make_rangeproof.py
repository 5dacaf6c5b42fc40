"""Make rangeproof.json: generators, transcripts and golden range proofs.

Independent of the package it checks: ePrint 2020/735 figures 1 and 3 as printed, curve
by py-ecc, hashes by hashlib, framing and nonces as its docstrings say. It must
never import meterseal_proto.

Usage: python proto/vectors/make_rangeproof.py > proto/vectors/rangeproof.json
"""

import hashlib
import hmac
import json
import sys

from py_ecc.secp256k1.secp256k1 import N, P, add, multiply

TAG = b"meterseal/range-proof/generator/v1"
V_BYTES = "02deb4939a0646e2b0195b635f74101f85cb94f9664e7b93e0d8f7f78f70af4c3c"
B_BYTES = "0214f0b161484e09db799f8dc7579db823aa7162bfa4155848482d28f94dfde02d"
GENERATORS = 4096
BITS = 16
CASES = ((0,), (65_535, 1), (250, 0, 40_961))
SHOWN = (0, 1, 2, 63, 2047, 4095)


def lift(x, odd=0):
    """Give the point of this x whose y is even, or odd, or None."""
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or y * y % P != square:
        return None
    return (x, y if y % 2 == odd else P - y)


def raised(text):
    """Read 33 bytes of hex."""
    raw = bytes.fromhex(text)
    return lift(int.from_bytes(raw[1:], "big"), raw[0] % 2)


def compressed(point):
    """Write a point as SEC 1 2.3.3 says."""
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def generators(letter):
    """Try counters for each index until the hash is the x of a point."""
    found = []
    for index in range(GENERATORS):
        point, counter = None, 0
        while point is None:
            seed = TAG + letter + index.to_bytes(4, "big") + counter.to_bytes(4, "big")
            point = lift(int.from_bytes(hashlib.sha256(seed).digest(), "big"))
            counter += 1
        found.append(point)
    return found


V, B = raised(V_BYTES), raised(B_BYTES)
G, H = generators(b"G"), generators(b"H")
SET_HASH = hashlib.sha256(
    TAG + compressed(V) + compressed(B) + b"".join(map(compressed, G + H))
).digest()


def framed(item):
    """Put the length before an item."""
    return len(item).to_bytes(8, "big") + item


class Transcript:
    """Hash everything said, in order, into one state of 64 bytes."""

    def __init__(self, domain):
        self.state = hashlib.sha512(
            b"meterseal/transcript/v1" + framed(domain)
        ).digest()

    def absorb(self, label, data):
        """Take in what was said."""
        item = self.state + b"\x01" + framed(label) + framed(data)
        self.state = hashlib.sha512(item).digest()

    def challenge(self, label):
        """Ask for the next challenge."""
        self.state = hashlib.sha512(self.state + b"\x02" + framed(label)).digest()
        wide = hashlib.sha512(self.state + b"\x03").digest()
        return int.from_bytes(wide, "big") % N


def begun(context, commitments):
    """Give the transcript before the first message."""
    transcript = Transcript(b"meterseal/range-proof/v1")
    transcript.absorb(b"generators", SET_HASH)
    transcript.absorb(b"context", context)
    transcript.absorb(b"bits", BITS.to_bytes(4, "big"))
    transcript.absorb(b"count", len(commitments).to_bytes(4, "big"))
    transcript.absorb(b"commitments", b"".join(commitments))
    return transcript


def nonces(transcript, openings, fresh):
    """Hash fresh bytes, statement and witness to a key, and count under it."""
    witness = b"".join(n.to_bytes(32, "big") for pair in openings for n in pair)
    said = b"meterseal/range-proof/nonce/v1" + transcript.state + witness
    key = hmac.new(fresh, said, hashlib.sha512).digest()
    counter = 0
    while True:
        drawn = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha512).digest()
        yield int.from_bytes(drawn, "big") % N
        counter += 1


def summed(points, scalars):
    """Add up multiples, one after the other."""
    total = (0, 0)
    for point, scalar in zip(points, scalars, strict=True):
        if scalar % N:
            total = add(total, multiply(point, scalar % N))
    return total


def inner(left, right, y):
    """Multiply two vectors, weighted by y, y^2, y^3 ..."""
    triples = enumerate(zip(left, right, strict=True), 1)
    return sum(a * b * pow(y, place, N) for place, (a, b) in triples) % N


def prove(context, openings, commitments, fresh):
    """Give a proof and its challenges in order, as figure 3 of the paper."""
    transcript = begun(context, commitments)
    nonce = nonces(begun(context, commitments), openings, fresh)
    padded = 1 << (len(openings) - 1).bit_length()
    size = BITS * padded
    values = [value for value, _ in openings] + [0] * (padded - len(openings))
    bits = [value >> place & 1 for value in values for place in range(BITS)]
    alpha = next(nonce)
    first = summed(
        [*G[:size], *H[:size], B], [*bits, *[bit - 1 for bit in bits], alpha]
    )
    transcript.absorb(b"A", compressed(first))
    y, z = transcript.challenge(b"y"), transcript.challenge(b"z")
    d = [pow(z, 2 * j, N) << i for j in range(1, padded + 1) for i in range(BITS)]
    a = [bit - z for bit in bits]
    b = [bits[i] - 1 + z + d[i] * pow(y, size - i, N) for i in range(size)]
    for j, (_, blinding) in enumerate(openings, 1):
        alpha += pow(z, 2 * j, N) * blinding * pow(y, size + 1, N)
    points, answers, asked = argue(transcript, (a, b, alpha % N), y, nonce)
    said = [compressed(first), *points]
    proof = b"".join(said) + b"".join(n.to_bytes(32, "big") for n in answers)
    return proof, [y, z, *asked]


def argue(transcript, witness, y, nonce):
    """Give A', B, every L and R, three answers and the challenges, as figure 1."""
    a, b, alpha = witness
    g, h = G[: len(a)], H[: len(b)]
    points, asked = [], []
    while len(a) > 1:
        half = len(a) // 2
        ahead, back = pow(y, half, N), pow(y, -half, N)
        d_left, d_right = next(nonce), next(nonce)
        left = summed(
            [*g[half:], *h[:half], V, B],
            [*[x * back for x in a[:half]], *b[half:], inner(a[:half], b[half:], y), d_left],
        )  # fmt: skip
        a_ahead = [x * ahead for x in a[half:]]
        right = summed(
            [*g[:half], *h[half:], V, B],
            [*a_ahead, *b[:half], inner(a_ahead, b[:half], y), d_right],
        )
        points += [compressed(left), compressed(right)]
        transcript.absorb(b"L", points[-2])
        transcript.absorb(b"R", points[-1])
        e = transcript.challenge(b"e")
        undo = pow(e, -1, N)
        asked.append(e)
        g = [
            summed(two, (undo, e * back))
            for two in zip(g[:half], g[half:], strict=True)
        ]
        h = [summed(two, (e, undo)) for two in zip(h[:half], h[half:], strict=True)]
        a = [(p * e + q * undo) % N for p, q in zip(a[:half], a_ahead, strict=True)]
        b = [(p * undo + q * e) % N for p, q in zip(b[:half], b[half:], strict=True)]
        alpha = (d_left * e * e + alpha + d_right * undo * undo) % N
    r, s, delta, eta = (next(nonce) for _ in range(4))
    one = summed([g[0], h[0], V, B], [r, s, (r * y * b[0] + s * y * a[0]) % N, delta])
    two = summed([V, B], [r * y * s % N, eta])
    transcript.absorb(b"A'", compressed(one))
    transcript.absorb(b"B", compressed(two))
    e = transcript.challenge(b"last")
    answers = (r + a[0] * e, s + b[0] * e, eta + delta * e + alpha * e * e)
    said = [compressed(one), compressed(two), *points]
    return said, [answer % N for answer in answers], [*asked, e]


def case(values):
    """Give one proof with all that made it."""
    seed = b"case" + bytes([len(values)])
    context = hashlib.sha256(seed + b"context").digest()
    fresh = hashlib.sha256(seed + b"fresh").digest()
    openings = []
    for place, value in enumerate(values):
        wide = hashlib.sha512(seed + bytes([place])).digest()
        openings.append((value, int.from_bytes(wide, "big") % N))
    commitments = [compressed(summed([V, B], pair)) for pair in openings]
    proof, challenges = prove(context, openings, commitments, fresh)
    return {
        "context": context.hex(),
        "bits": BITS,
        "values": list(values),
        "blindings": [hex(blinding) for _, blinding in openings],
        "commitments": [one.hex() for one in commitments],
        "fresh": fresh.hex(),
        "transcript": begun(context, commitments).state.hex(),
        "challenges": [hex(one) for one in challenges],
        "proof": proof.hex(),
    }


def main():
    """Print the vectors."""
    document = {
        "tag": TAG.decode(),
        "set_hash": SET_HASH.hex(),
        "generators": {
            "index": list(SHOWN),
            "G": [compressed(G[index]).hex() for index in SHOWN],
            "H": [compressed(H[index]).hex() for index in SHOWN],
        },
        "proofs": [case(values) for values in CASES],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
