"""Make committed.json: a committed day, its wire message, enrolment and log entries.

Independent of the package it checks: CBOR by cbor2, the curve by py-ecc, AES-SIV and
HKDF by `cryptography`, hashes by hashlib. The range proof here is a stand-in of the
right length, for rangeproof.json has real ones. It must never import meterseal_proto.

Usage: python proto/vectors/make_committed.py > proto/vectors/committed.json
"""

import hashlib
import hmac
import json
import struct
import sys

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from py_ecc.secp256k1.secp256k1 import G, N, P, add, ecdsa_raw_sign, multiply

CHAIN_ID = 0x80000000
NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
IMPORT = 0x0100_0108_00FF
FIRST, STEP, BITS, REVISION = 1_790_000_100, 900, 16, 1
VALUES = (120, 0, None, 455, 65_535)
QUALITIES = (14, 14, 16, 10, 14)
ROOT_SECRET = bytes(range(32))
BLIND_KEY = bytes(range(32, 64))
STORE_KEY = bytes(range(64, 128))
SEEDS = tuple(bytes([n]) * 32 for n in (1, 2, 3))


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def big(value, width):
    """Write an integer in big-endian bytes."""
    return value.to_bytes(width, "big")


def find_h():
    """Find the point H by trying counters."""
    for counter in range(1 << 16):
        x = int.from_bytes(sha(b"meterseal/pedersen/H/v1" + big(counter, 4)), "big")
        square = (pow(x, 3, P) + 7) % P
        y = pow(square, (P + 1) // 4, P)
        if x < N and y * y % P == square:
            return (x, y if y % 2 == 0 else P - y)
    raise AssertionError


H = find_h()
V = multiply(H, pow(H[0], -1, N))
B = multiply(G, N - pow(H[0], -1, N))


def compressed(point):
    """Write a point as SEC 1 2.3.3 says."""
    return bytes([2 + point[1] % 2]) + big(point[0], 32)


def commit(value, blinding):
    """Commit to a value; py-ecc multiplies by nought too."""
    hidden = multiply(B, blinding)
    return hidden if value == 0 else add(multiply(V, value), hidden)


def blinding_of(start, value):
    """Derive a blinding from the slot and the value."""
    text = struct.pack(
        ">32s16sQQQHQ", NETWORK, METER, IMPORT, start, STEP, REVISION, value
    )
    wide = hmac.digest(BLIND_KEY, b"meterseal/blinding/v1" + text, "sha512")
    return int.from_bytes(wide, "big") % N


def clarity(value):
    """Serialise a Clarity value (SIP-005): uint, buffer, ascii or tuple."""
    if isinstance(value, int):
        return b"\x01" + big(value, 16)
    if isinstance(value, bytes):
        return b"\x02" + big(len(value), 4) + value
    if isinstance(value, str):
        return b"\x0d" + big(len(value), 4) + value.encode()
    out = b"\x0c" + big(len(value), 4)
    for key in sorted(value, key=lambda name: name.encode()):
        out += big(len(key), 1) + key.encode() + clarity(value[key])
    return out


def sip018(message):
    """Hash structured data under our domain."""
    domain = {"name": "meterseal", "version": "1.0.0", "chain-id": CHAIN_ID}
    return sha(b"SIP018" + sha(clarity(domain)) + sha(clarity(message)))


def merkle(leaves):
    """Compute the root of leaf hashes by the recursion of RFC 9162 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\x01" + merkle(leaves[:k]) + merkle(leaves[k:]))


def seal_secret():
    """Derive the first seal key as the agent does."""
    info = b"seal/secp256k1\0" + big(0, 4)
    wide = HKDF(SHA256(), 48, b"meterseal/v1", info).derive(ROOT_SECRET)
    return big(int.from_bytes(wide, "big") % (N - 1) + 1, 32)


def signed(digest, secret):
    """Sign with py-ecc's own RFC 6979, low s."""
    _, r, s = ecdsa_raw_sign(digest, secret)
    return big(r, 32) + big(min(s, N - s), 32)


def backup(seq):
    """Encrypt a day's values for their device."""
    told = [(1 << 64) - 1 if v is None else v for v in VALUES]
    plain = struct.pack(">H100Q", len(told), *told, *[0] * (100 - len(told)))
    place = struct.pack(">32s16sQQQQ", NETWORK, METER, IMPORT, FIRST, STEP, seq)
    return AESSIV(STORE_KEY).encrypt(plain, [b"meterseal/backup/v1", place])


def place_of(span, total):
    """Hash what a total is of: whose, over which span, and its commitment."""
    where = (NETWORK, METER, IMPORT, FIRST, span, REVISION, total)
    return sha(b"meterseal/total/place/v1\0" + struct.pack(">32s16sQQQH33s", *where))


def masks(place):
    """Add up the masks of three seeds."""
    for label in (b"value", b"blinding"):
        text = b"meterseal/total/mask-" + label + b"/v1\0" + place
        parts = (hmac.digest(seed, text, "sha512") for seed in SEEDS)
        yield sum(int.from_bytes(part, "big") % N for part in parts)


def enrolment(public):
    """Hash a committed register's first link, and write its key event."""
    terms = [STEP, 0, FIRST, "secp256k1", public, 1, BITS]
    link = cbor2.dumps([NETWORK, METER, IMPORT, *terms], canonical=True)
    event = [NETWORK, METER, IMPORT, "secp256k1", public, 1, STEP, 0, FIRST, bytes(32)]
    entry = b"\x07\x01" + cbor2.dumps([*event, 1, BITS], canonical=True)
    return sha(b"meterseal/enrolment/v1\0" + link), entry


def vectors():
    """Build one day."""
    secret = seal_secret()
    x, y = multiply(G, int.from_bytes(secret, "big"))
    public = big(2 + y % 2, 1) + big(x, 32)
    link, entry = enrolment(public)
    seq, records, leaves, total = 1, [], [], None
    z_total = 0
    for place, (value, quality) in enumerate(zip(VALUES, QUALITIES, strict=True)):
        start = FIRST + STEP * place
        z = blinding_of(start, value or 0)
        point = commit(value or 0, z)
        total, z_total = (point if total is None else add(total, point)), z_total + z
        c = compressed(point)
        leaves.append(
            sha(b"\0" + big(start, 8) + big(REVISION, 2) + big(quality, 1) + c)
        )
        records.append([c, quality, REVISION])
    header = {"network": NETWORK, "meter": METER, "register": IMPORT, "first": FIRST}
    header |= {"step": STEP, "count": len(records), "seq": seq, "prev": link}
    header |= {
        "root": merkle(leaves),
        "mode": 1,
        "bits": BITS,
        "sum": compressed(total),
    }
    digest = sip018(header)
    signature = signed(digest, secret)
    place = place_of(STEP * len(records), header["sum"])
    over, over_z = masks(place)
    # 16 bits of 5 values, padded to 8: 128 = 2^7 terms, so 3 + 2 * 7 points, 3 scalars.
    proof = bytes(i % 251 for i in range(33 * 17 + 96))
    kept = backup(seq)
    masked = [
        big((sum(v or 0 for v in VALUES) + over) % N, 32),
        big((z_total + over_z) % N, 32),
    ]
    parts = digest + sha(proof) + sha(kept) + b"".join(masked)
    envelope = signed(sha(b"meterseal/envelope/v1\0" + parts), secret)
    wire = [2, METER, IMPORT, FIRST, STEP, seq, link, signature, BITS, records]
    wire += [proof, kept, *masked, envelope]
    return {
        "source": "SIP-005, SIP-018, RFC 8949 4.2.1, RFC 9162 2.1.1, RFC 6979, RFC 5297",
        "network": NETWORK.hex(), "chain_id": CHAIN_ID, "meter": METER.hex(),
        "register": IMPORT, "first": FIRST, "step": STEP, "bits": BITS,
        "revision": REVISION, "values": VALUES, "qualities": QUALITIES,
        "root_secret": ROOT_SECRET.hex(), "blind_key": BLIND_KEY.hex(),
        "store_key": STORE_KEY.hex(), "seeds": [seed.hex() for seed in SEEDS],
        "public": public.hex(), "enrolment_hash": link.hex(),
        "key_event_entry": entry.hex(),
        "leaves": [leaf.hex() for leaf in leaves],
        "consensus": clarity(header).hex(), "digest": digest.hex(),
        "signature": signature.hex(), "place": place.hex(), "proof": proof.hex(),
        "payload": cbor2.dumps(wire, canonical=True).hex(),
        "entry": (b"\x01\x01" + clarity(header) + signature).hex(),
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
