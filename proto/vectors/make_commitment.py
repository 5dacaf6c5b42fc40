"""Make commitment.json: bases, commitments, blindings and sums of committed usage.

Independent of the package it checks: the curve is py-ecc's, hashes are hashlib's, and
the text is that of PROTOCOL's section on commitments. It must never import
meterseal_proto.

Usage: python proto/vectors/make_commitment.py > proto/vectors/commitment.json
"""

import hashlib
import hmac
import json
import struct
import sys

from py_ecc.secp256k1.secp256k1 import G, N, P, add, multiply

TAG = b"meterseal/pedersen/H/v1"
BLIND_KEY = bytes(range(32))
NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
IMPORT = 0x0100_0108_00FF
VALUES = (0, 1, 2, 250, 255, 256, 65_535, 65_536, 4_294_967_295, 2**63, 2**127 + 1)


def lift(x):
    """Give the point of this x with even y, or None."""
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return (x, y if y % 2 == 0 else P - y)


def compressed(point):
    """Write a point as SEC 1 2.3.3 says."""
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def find_h():
    """Try counters until the hash is the x of a point, and below n."""
    counter = 0
    while True:
        x = int.from_bytes(
            hashlib.sha256(TAG + counter.to_bytes(4, "big")).digest(), "big"
        )
        point = lift(x) if x < N else None
        if point is not None:
            return counter, point
        counter += 1


COUNTER, H = find_h()
INVERSE = pow(H[0], -1, N)
V = multiply(H, INVERSE)
B = multiply(G, N - INVERSE)


def commit(value, blinding):
    """Add value times V and blinding times B."""
    return add(multiply(V, value), multiply(B, blinding))


def blinding_of(start, revision, value):
    """Hash the slot and the value under the key, and reduce."""
    packed = struct.pack(
        ">32s16sQQQHQ", NETWORK, METER, IMPORT, start, 900, revision, value
    )
    wide = hmac.new(BLIND_KEY, b"meterseal/blinding/v1" + packed, hashlib.sha512)
    return int.from_bytes(wide.digest(), "big") % N


def cases():
    """Give a commitment to each value, blinded by a hash of its place."""
    for place, value in enumerate(VALUES):
        z = int.from_bytes(hashlib.sha512(b"case" + bytes([place])).digest(), "big") % N
        yield {"v": value, "z": hex(z), "c": compressed(commit(value, z)).hex()}


def day():
    """Give four slots of a meter with their derived blindings, and their sum."""
    slots, total = [], None
    for place, value in enumerate((120, 0, 455, 65_535)):
        start, revision = 1_790_000_100 + 900 * place, place % 2
        z = blinding_of(start, revision, value)
        point = commit(value, z)
        total = point if total is None else add(total, point)
        slots.append(
            {
                "start": start,
                "revision": revision,
                "v": value,
                "z": hex(z),
                "c": compressed(point).hex(),
            }
        )
    return {"slots": slots, "sum": compressed(total).hex()}


def main():
    """Print the vectors."""
    document = {
        "tag": TAG.decode(),
        "counter": COUNTER,
        "V": compressed(V).hex(),
        "B": compressed(B).hex(),
        "commitments": list(cases()),
        "blind_key": BLIND_KEY.hex(),
        "network": NETWORK.hex(),
        "meter": METER.hex(),
        "register": IMPORT,
        "length": 900,
        "day": day(),
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
