"""Make cosignature.json: cosigned checkpoints and witness requests, from C2SP's texts.

Written from C2SP tlog-cosignature (Ed25519 signed message) and tlog-witness
(add-checkpoint), with the Ed25519 that make_checkpoint.py writes out from RFC 8032 and a
Merkle tree by the recursive definition of RFC 6962 2.1. It must never import
meterseal_proto.

Usage: python proto/vectors/make_cosignature.py > proto/vectors/cosignature.json
"""

import hashlib
import json
import sys

from make_checkpoint import b64, ed25519

LOG = bytes(range(32))
ORIGIN = "street-7"
LEAVES = [bytes([number]) * 3 for number in range(13)]


def split(count):
    """Return the largest power of two below count."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def root(leaves):
    """Return the Merkle tree hash (RFC 6962 2.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    at = split(len(leaves))
    return hashlib.sha256(b"\x01" + root(leaves[:at]) + root(leaves[at:])).digest()


def consistency(old, leaves, *, whole=True):
    """Return SUBPROOF(m, D[n], b) of RFC 6962 2.1.2."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    at = split(len(leaves))
    if old <= at:
        return [*consistency(old, leaves[:at], whole=whole), root(leaves[at:])]
    return [*consistency(old - at, leaves[at:], whole=False), root(leaves[:at])]


def signed(size):
    """Return body and note of the log's checkpoint at a size."""
    body = f"{ORIGIN}\n{size}\n{b64(root(LEAVES[:size]))}\n"
    public, signature = ed25519(LOG, body.encode())
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    return body, f"{body}\n\u2014 {ORIGIN} {b64(key_id + signature)}\n"


def case(name, secret, at, old, size):
    """Make one request and the answer of one witness."""
    body, note = signed(size)
    message = f"cosignature/v1\ntime {at}\n{body}".encode()
    public, signature = ed25519(secret, message)
    key_id = hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    proof = consistency(old, LEAVES[:size]) if old else []
    lines = [f"old {old}", *(b64(one) for one in proof)]
    return {
        "name": name,
        "secret": secret.hex(),
        "public": public.hex(),
        "vkey": f"{name}+{key_id.hex()}+{b64(bytes([4]) + public)}",
        "at": at,
        "old": old,
        "old_root": root(LEAVES[:old]).hex(),
        "size": size,
        "note": note,
        "proof": [one.hex() for one in proof],
        "message": message.decode(),
        "request": "".join(f"{line}\n" for line in lines) + "\n" + note,
        "answer": f"\u2014 {name} {b64(key_id + at.to_bytes(8) + signature)}\n",
    }


def vectors():
    """Collect the cases: the first checkpoint, growth, nothing new, the empty log."""
    return {
        "source": "C2SP tlog-cosignature v1, C2SP tlog-witness, RFC 6962 2.1.2, RFC 8032",
        "cases": [
            case("witness.example/w1", b"\x01" * 32, 1_679_315_147, 0, 7),
            case("witness.example/w1", b"\x01" * 32, 1_679_315_148, 7, 13),
            case("meterseal/trustee/0", b"\x02" * 32, 2**63 - 1, 8, 13),
            case("größe.example/w", b"\x03" * 32, 1, 13, 13),
            case("witness.example/w1", b"\x01" * 32, 1_679_315_149, 0, 0),
        ],
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
