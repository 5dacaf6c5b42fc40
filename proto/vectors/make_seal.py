"""Make seal.json: encodings, seals, messages, receipts and log entries by second hand.

Independent of the package it checks: CBOR by cbor2, the curve by py-ecc with its own
RFC 6979, Clarity consensus bytes field by field, Ed25519 and HKDF by `cryptography`,
Merkle roots by recursion. It must never import meterseal_proto.

Usage: python proto/vectors/make_seal.py > proto/vectors/seal.json
"""

import hashlib
import hmac
import json
import sys

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from py_ecc.secp256k1.secp256k1 import G, N, ecdsa_raw_sign, multiply

CHAIN_ID = 0x80000000
NETWORK = bytes([0x11]) * 32
METER = bytes([0x22]) * 16
EXPORT = int.from_bytes(bytes([1, 0, 2, 8, 0, 255]), "big")
ROOT_SECRET = bytes(range(32))


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def big(value, width):
    """Write an integer in big-endian bytes."""
    return value.to_bytes(width, "big")


def derived(label, context, length):
    """Derive bytes as the agent does: HKDF-SHA256, salt meterseal/v1."""
    info = label.encode() + b"\0" + context
    return HKDF(SHA256(), length, b"meterseal/v1", info).derive(ROOT_SECRET)


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


def signed(digest, secret):
    """Sign with py-ecc's own RFC 6979, low s."""
    _, r, s = ecdsa_raw_sign(digest, secret)
    return big(r, 32) + big(min(s, N - s), 32)


def record_leaf(salt, start, delta, value, quality, revision):
    """Hash one record with its salt."""
    body = big(start, 8) + big(delta, 8) + big(value, 8) + big(quality, 1)
    return sha(b"\x00" + salt + body + big(revision, 2))


def salts_of(rows, first, step):
    """Derive one salt a record."""
    salt_key = derived("salt", METER, 32)
    label = b"meterseal/record-salt/v1" + big(EXPORT, 8)
    for index, row in enumerate(rows):
        text = label + big(first + index * step, 8) + big(step, 8) + big(row[3], 2)
        yield hmac.new(salt_key, text, "sha256").digest()[:16]


def seal(rows, *, first, step, seq, prev, secret):
    """Build one seal: header, digest, signature, payload, log entry."""
    salts = list(salts_of(rows, first, step))
    leaves = [
        record_leaf(salt, first + index * step, *row)
        for index, (salt, row) in enumerate(zip(salts, rows, strict=True))
    ]
    header = {"network": NETWORK, "meter": METER, "register": EXPORT, "first": first}
    header |= {"step": step, "count": len(rows), "seq": seq, "prev": prev}
    header |= {"root": merkle(leaves), "mode": 0, "bits": 0, "sum": bytes(33)}
    digest = sip018(header)
    signature = signed(digest, secret)
    wire = [[salt, *row] for salt, row in zip(salts, rows, strict=True)]
    payload = [1, METER, EXPORT, first, step, seq, prev, signature, wire]
    return {
        "rows": rows,
        "salts": [salt.hex() for salt in salts],
        "first": first,
        "step": step,
        "seq": seq,
        "prev": prev.hex(),
        "root": header["root"].hex(),
        "consensus": clarity(header).hex(),
        "digest": digest.hex(),
        "signature": signature.hex(),
        "payload": cbor2.dumps(payload, canonical=True).hex(),
        "entry": (b"\x01\x01" + clarity(header) + signature).hex(),
    }


def receipt(durable, refused):
    """Build one signed receipt."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
    body = [1, NETWORK, "home-7", 1790000160, durable, refused]
    signature = key.sign(
        b"meterseal/receipt/v1\x00" + cbor2.dumps(body, canonical=True)
    )
    return {
        "private_key": (bytes([7]) * 32).hex(),
        "agent": "home-7",
        "log_by": 1790000160,
        "durable": [[m.hex(), r, s, h.hex()] for m, r, s, h in durable],
        "refused": [[m.hex(), r, s, h.hex(), why] for m, r, s, h, why in refused],
        "payload": cbor2.dumps([*body, signature], canonical=True).hex(),
    }


def seal_secret(epoch):
    """Derive the seal key of a key epoch."""
    wide = int.from_bytes(derived("seal/secp256k1", big(epoch, 4), 48), "big")
    return big(wide % (N - 1) + 1, 32)


def public_of(secret):
    """Compress the public point of a secret."""
    x, y = multiply(G, int.from_bytes(secret, "big"))
    return big(2 + y % 2, 1) + big(x, 32)


def rotation(turns):
    """Build a rotation to the next key epoch, signed by both keys."""
    public = public_of(seal_secret(1))
    body = cbor2.dumps([NETWORK, turns, "secp256k1", public], canonical=True)
    digest = sha(b"meterseal/rotation/v1\x00" + body)
    return {
        "turns": [[meter.hex(), register, seq] for meter, register, seq in turns],
        "public": public.hex(),
        "digest": digest.hex(),
        "old_signature": signed(digest, seal_secret(0)).hex(),
        "new_signature": signed(digest, seal_secret(1)).hex(),
    }


def key_event(public, start):
    """Build the log entry of an enrolled key."""
    event = [NETWORK, METER, EXPORT, "secp256k1", public, 1, 900, 1200, start]
    return b"\x07\x01" + cbor2.dumps([*event, bytes(32)], canonical=True)


def vectors():
    """Collect the cases."""
    secret = seal_secret(0)
    public = public_of(secret)
    start = 1790000100
    chain_id, log_key = CHAIN_ID, "street+00000000+AQ=="
    genesis = {
        "chain_id": chain_id,
        "registry": "ST000000000000000000002AMW42H",
        "log_key": log_key,
    }
    link = [NETWORK, METER, EXPORT, 900, 1200, start, "secp256k1", public]
    first_prev = sha(b"meterseal/enrolment/v1\x00" + cbor2.dumps(link, canonical=True))
    one = seal(
        [[412, 1612, 14, 0]],
        first=start,
        step=900,
        seq=1,
        prev=first_prev,
        secret=secret,
    )
    rows = [
        [index * 7, 1612 + sum(i * 7 for i in range(index + 1)), 14, 0]
        for index in range(5)
    ]
    head = bytes.fromhex(one["digest"])
    five = seal(rows, first=start + 900, step=900, seq=2, prev=head, secret=secret)
    hole = [[90, 1612 + 70 + 90, 10, 0]]
    head = bytes.fromhex(five["digest"])
    long = seal(hole, first=start + 6 * 900, step=2700, seq=9, prev=head, secret=secret)
    return {
        "source": "SIP-005, SIP-018, RFC 8949 4.2.1, RFC 9162 2.1.1, RFC 6979, RFC 5869",
        "root_secret": ROOT_SECRET.hex(),
        "network": NETWORK.hex(),
        "chain_id": CHAIN_ID,
        "meter": METER.hex(),
        "register": EXPORT,
        "secret": secret.hex(),
        "public": public.hex(),
        "enrolment_hash": first_prev.hex(),
        "key_event_entry": key_event(public, start).hex(),
        "genesis": {
            **genesis,
            "network": sha(cbor2.dumps(genesis, canonical=True)).hex(),
        },
        "rotation": rotation([[METER, EXPORT, 10], [METER, EXPORT - 256, 3]]),
        "seals": [one, five, long],
        "receipts": [
            receipt([(METER, EXPORT, 2, bytes.fromhex(five["digest"]))], []),
            receipt([], [(METER, EXPORT, 3, bytes([9]) * 32, 16)]),
        ],
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
