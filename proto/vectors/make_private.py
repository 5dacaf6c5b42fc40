"""Make private.json: a tariff, a private bill, masked openings and a day's backup.

Independent of the package it checks: the curve is py-ecc's, hashes are hashlib's, CBOR is
cbor2's in its canonical form, AES-SIV is the library's. BIP340 is written from its text. It
must never import meterseal_proto.

Usage: python proto/vectors/make_private.py > proto/vectors/private.json
"""

import hashlib
import hmac
import json
import struct
import sys

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from py_ecc.secp256k1.secp256k1 import G, N, P, add, multiply

NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
IMPORT = 0x0100_0108_00FF
BEGIN = 1_790_035_200
STEP = 900
VALUES = [n * 37 % 1_500 for n in range(24)]
BLINDINGS = [pow(7, n + 1, N) for n in range(24)]
PRICES = [300_000] * 24
TARIFF = {
    "bands": [
        {"days": "mon-fri", "from": "07:00", "price": 300_000, "to": "21:00"},
        {"months": "11-3", "price": 150_000},
        {"price": 200_000},
    ],
    "currency": "EUR",
    "id": "day-night",
    "meterseal": "tariff/1",
    "valid_from": 1_790_000_000,
    "zone": "Europe/Madrid",
}


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def compressed(point):
    """Write a point as SEC 1 2.3.3 says."""
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def bases():
    """Find H from its tag; V and B are 1/r of H and of -G, r the x of H."""
    counter = 0
    while True:
        raw = sha(b"meterseal/pedersen/H/v1" + counter.to_bytes(4, "big"))
        x = int.from_bytes(raw, "big")
        square = (pow(x, 3, P) + 7) % P
        y = pow(square, (P + 1) // 4, P)
        if x < N and y * y % P == square:
            inverse = pow(x, -1, N)
            point = (x, y if y % 2 == 0 else P - y)
            return multiply(point, inverse), multiply(G, N - inverse), N - inverse
        counter += 1


V, B, FACTOR = bases()


def commit(value, blinding):
    """Add value times V and blinding times B."""
    hidden = multiply(B, blinding)
    return add(multiply(V, value), hidden) if value else hidden


def tagged(tag, data):
    """Hash as BIP340 does, under a tag."""
    return sha(sha(tag) * 2 + data)


def schnorr(secret, message, aux):
    """Sign as BIP340's default signing does."""
    public = multiply(G, secret)
    d = secret if public[1] % 2 == 0 else N - secret
    x = public[0].to_bytes(32, "big")
    masked = d ^ int.from_bytes(tagged(b"BIP0340/aux", aux), "big")
    drawn = tagged(b"BIP0340/nonce", masked.to_bytes(32, "big") + x + message)
    k = int.from_bytes(drawn, "big") % N
    nonce = multiply(G, k)
    k = k if nonce[1] % 2 == 0 else N - k
    r = nonce[0].to_bytes(32, "big")
    e = int.from_bytes(tagged(b"BIP0340/challenge", r + x + message), "big") % N
    return r + ((k + e * d) % N).to_bytes(32, "big")


def tariff():
    """Give the document, keys sorted and without spaces, and its hash."""
    document = json.dumps(TARIFF, sort_keys=True, separators=(",", ":")).encode()
    digest = sha(b"meterseal/tariff/v1\x00" + document)
    return {"document": document.decode(), "hash": digest.hex()}


def bill():
    """Give a bill over a day of 24 quarters: statement, what is left over, signature."""
    amount = sum(p * v for p, v in zip(PRICES, VALUES, strict=True))
    headers, previous = [bytes([0x33]) * 32], bytes([0x44]) * 32
    end = BEGIN + STEP * len(VALUES)
    fields = [
        1, NETWORK, METER, IMPORT, BEGIN, end, bytes.fromhex(tariff()["hash"]),
        amount.to_bytes(16, "big"), 0, headers, previous,
    ]  # fmt: skip
    digest = sha(b"meterseal/bill/v1\x00" + cbor2.dumps(fields, canonical=True))
    left = sum(p * z for p, z in zip(PRICES, BLINDINGS, strict=True)) % N
    secret = left * FACTOR % N
    return {
        "begin": BEGIN,
        "end": end,
        "prices": PRICES,
        "values": VALUES,
        "blindings": [hex(z) for z in BLINDINGS],
        "commitments": [
            compressed(commit(v, z)).hex()
            for v, z in zip(VALUES, BLINDINGS, strict=True)
        ],
        "headers": [one.hex() for one in headers],
        "previous": previous.hex(),
        "amount": amount,
        "digest": digest.hex(),
        "consent": sha(b"meterseal/bill-consent/v1\x00" + digest).hex(),
        "left_over": compressed(multiply(B, left)).hex(),
        "aux": bytes(32).hex(),
        "proof": schnorr(secret, digest, bytes(32)).hex(),
    }


def mask(seed, label, place):
    """Reduce a keyed hash of the place."""
    wide = hmac.new(seed, label + place, hashlib.sha512).digest()
    return int.from_bytes(wide, "big") % N


def total():
    """Give a masked opening of a day's sum, and the name of a set."""
    value, blinding = sum(VALUES), sum(BLINDINGS) % N
    whole = compressed(commit(value, blinding))
    packed = struct.pack(
        ">32s16sQQQH33s", NETWORK, METER, IMPORT, BEGIN, STEP * len(VALUES), 0, whole
    )
    place = sha(b"meterseal/total/place/v1\x00" + packed)
    seeds = [sha(b"seed %d" % n) for n in range(3)]
    over = [
        (
            mask(seed, b"meterseal/total/mask-value/v1\x00", place),
            mask(seed, b"meterseal/total/mask-blinding/v1\x00", place),
        )
        for seed in seeds
    ]
    members = sorted((bytes([n]) * 16, bytes([n + 100]) * 32) for n in range(20))
    cell, day = b"cell-1", 20_717
    named = NETWORK + len(cell).to_bytes(2, "big") + cell + day.to_bytes(8, "big")
    listed = len(members).to_bytes(4, "big") + b"".join(m + h for m, h in members)
    return {
        "sum": whole.hex(),
        "place": place.hex(),
        "seeds": [seed.hex() for seed in seeds],
        "masks": [[hex(one), hex(other)] for one, other in over],
        "masked_value": hex((value + sum(one for one, _ in over)) % N),
        "masked_blinding": hex((blinding + sum(other for _, other in over)) % N),
        "cell": cell.decode(),
        "day": day,
        "members": [[m.hex(), h.hex()] for m, h in members],
        "set": sha(b"meterseal/total/set/v1\x00" + named + listed).hex(),
    }


def backup():
    """Give a day's values under AES-SIV, the third of them missing."""
    key, seq = bytes(range(64)), 9
    told = [v if n != 2 else 2**64 - 1 for n, v in enumerate(VALUES)]
    plain = struct.pack(">H100Q", len(told), *told, *[0] * (100 - len(told)))
    place = struct.pack(">32s16sQQQQ", NETWORK, METER, IMPORT, BEGIN, STEP, seq)
    sealed = AESSIV(key).encrypt(plain, [b"meterseal/backup/v1", place])
    return {"key": key.hex(), "seq": seq, "missing": 2, "backup": sealed.hex()}


def main():
    """Print the vectors."""
    document = {
        "network": NETWORK.hex(),
        "meter": METER.hex(),
        "register": IMPORT,
        "step": STEP,
        "tariff": tariff(),
        "bill": bill(),
        "total": total(),
        "backup": backup(),
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
