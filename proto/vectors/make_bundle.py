"""Make bundle.json: one whole evidence bundle, put together by second hand.

Independent of the package it checks: it uses the sibling scripts' own hashes, trees,
signatures and notes, and json for the file. It must never import meterseal_proto.
The file IS a bundle: `meterseal-verify proto/vectors/bundle.json` passes.

Usage: python proto/vectors/make_bundle.py > proto/vectors/bundle.json
"""

import json
import sys

import cbor2
import make_checkpoint
import make_merkle
import make_seal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from make_seal import EXPORT, METER, big, clarity, record_leaf, sha, signed, sip018
from py_ecc.secp256k1.secp256k1 import G, multiply

SEAL_SECRET = bytes([9]) * 32
LOG_SECRET = bytes([3]) * 32
RECEIPT_SECRET = bytes([7]) * 32
ORIGIN = "vectors.example/log"
START, STEP, VALUE = 1_790_000_100, 900, 5_000
DELTAS = (0, 250, 31)


def dumps(value):
    """Encode deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def genesis():
    """Give the genesis fields and the network id they hash to."""
    root = bytes(32)
    key = make_checkpoint.case(ORIGIN, 0, root, LOG_SECRET)["vkey"]
    fields = {
        "chain_id": make_seal.CHAIN_ID,
        "registry": "ST0.registry",
        "log_key": key,
    }
    return fields, sha(dumps(fields))


def public_key():
    """Give the seal key's compressed point."""
    x, y = multiply(G, int.from_bytes(SEAL_SECRET, "big"))
    return big(2 + y % 2, 1) + big(x, 32)


def key_entry(network, public):
    """Make the log entry that binds the register to its key."""
    fields = [network, METER, EXPORT, "secp256k1", public, 1, STEP, VALUE, START]
    return b"\x07\x01" + dumps([*fields, bytes(32)])


def sealed(network, public):
    """Make the first seal's header, records and signature."""
    link = [network, METER, EXPORT, STEP, VALUE, START, "secp256k1", public]
    records, leaves, value = [], [], VALUE
    for i, delta in enumerate(DELTAS):
        value += delta
        salt = sha(b"vector salt %d" % i)[:16]
        row = {"start": START + i * STEP, "delta": delta, "value": value}
        row |= {"quality": 14, "revision": 0}
        leaves.append(record_leaf(salt, *row.values()))
        records.append({**row, "salt": salt.hex()})
    header = {"network": network, "meter": METER, "register": EXPORT, "first": START}
    header |= {"step": STEP, "count": len(records), "seq": 1, "mode": 0, "bits": 0}
    header |= {"prev": sha(b"meterseal/enrolment/v1\x00" + dumps(link))}
    header |= {"root": make_seal.merkle(leaves), "sum": bytes(33)}
    return header, records, signed(sip018(header), SEAL_SECRET)


def receipt(network, digest):
    """Make a receipt for the seal and give it with its key."""
    key = Ed25519PrivateKey.from_private_bytes(RECEIPT_SECRET)
    body = [1, network, "home-7", START + 4 * STEP, [[METER, EXPORT, 1, digest]], []]
    signature = key.sign(b"meterseal/receipt/v1\x00" + dumps(body))
    public = key.public_key().public_bytes_raw()
    return {"key": public.hex(), "payload": dumps([*body, signature]).hex()}


def bundle():
    """Put the bundle together over a log of six entries."""
    fields, network = genesis()
    public = public_key()
    header, records, signature = sealed(network, public)
    entries = [b"\x03\x01" + bytes([i]) * 32 for i in range(6)]
    entries[1] = key_entry(network, public)
    entries[4] = b"\x01\x01" + clarity(header) + signature
    root = make_merkle.mth(entries)
    note = make_checkpoint.case(ORIGIN, len(entries), root, LOG_SECRET)["note"]
    proofs = [[h.hex() for h in make_merkle.path(i, entries)] for i in (1, 4)]
    plain = {k: v.hex() if isinstance(v, bytes) else v for k, v in header.items()}
    published = b"%d %s\n" % (len(entries), root.hex().encode())
    return {
        "format": "meterseal/bundle/1",
        "genesis": fields,
        "key": {"entry": entries[1].hex(), "index": 1, "proof": proofs[0]},
        "seal": {
            **plain,
            "records": records,
            "signature": signature.hex(),
            "index": 4,
            "proof": proofs[1],
        },
        "checkpoint": note,
        "receipt": receipt(network, sip018(header)),
        "anchor": {
            "publisher": "file",
            "size": len(entries),
            "root": root.hex(),
            "reference": "sha256:" + sha(published).hex(),
        },
    }


if __name__ == "__main__":
    json.dump(bundle(), sys.stdout, sort_keys=True, separators=(",", ":"))
