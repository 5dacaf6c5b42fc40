"""Make anchor.json: an anchor of another size than its checkpoint, and what a node is asked.

Independent of the package it checks: RFC 9162 2.1.4.1 for the proof, SIP-005's consensus
bytes for what the contract `energy-oracle` keeps of a root. It must never import
meterseal_proto.

Usage: python proto/vectors/make_anchor.py > proto/vectors/anchor.json
"""

import hashlib
import json
import sys

CHAIN_ID = 2_147_483_648
ADDRESS = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"
HEIGHT, TIP, AT = 31, 40, 1_790_000_000
ANCHORED, CHECKPOINT = 7, 12
ENTRIES = [bytes([n]) for n in range(CHECKPOINT)]


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def split(n):
    """Give the largest power of two strictly smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


def mth(d):
    """MTH of RFC 9162 2.1.1, of one entry or more."""
    if len(d) == 1:
        return sha(b"\x00" + d[0])
    k = split(len(d))
    return sha(b"\x01" + mth(d[:k]) + mth(d[k:]))


def subproof(m, d, *, whole):
    """SUBPROOF of RFC 9162 2.1.4.1."""
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], whole=whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], whole=False), mth(d[:k])]


def buffer(raw):
    """A Clarity buffer: 02, its length u32."""
    return b"\x02" + len(raw).to_bytes(4, "big") + raw


def uint(number):
    """A Clarity uint: 01, 16 bytes."""
    return b"\x01" + number.to_bytes(16, "big")


def record(**fields):
    """A Clarity tuple: 0c, how many, then each name with its length, sorted."""
    rows = [bytes([len(k)]) + k.encode() + fields[k] for k in sorted(fields)]
    return b"\x0c" + len(rows).to_bytes(4, "big") + b"".join(rows)


def spelt(value):
    """JSON as a node may write it."""
    return json.dumps(value, separators=(",", ":"))


def main():
    """Print the vector."""
    root = mth(ENTRIES[:ANCHORED])
    proof = subproof(ANCHORED, ENTRIES, whole=True)
    some = b"\x0a" + record(at=uint(AT), height=uint(HEIGHT), size=uint(ANCHORED))
    made = {
        "anchor": {
            "proof": [step.hex() for step in proof],
            "publisher": "stacks",
            "reference": f"stacks:{CHAIN_ID}:{ADDRESS}.energy-oracle:{HEIGHT}",
            "root": root.hex(),
            "size": ANCHORED,
        },
        "checkpoint": {"root": mth(ENTRIES).hex(), "size": CHECKPOINT},
        "chain_id": CHAIN_ID,
        "entries": [entry.hex() for entry in ENTRIES],
        "node": {
            "entry": {
                "path": f"/v2/map_entry/{ADDRESS}/energy-oracle/roots?proof=0",
                "body": spelt("0x" + buffer(root).hex()),
                "there": spelt({"data": "0x" + some.hex()}),
                "absent": spelt({"data": "0x09"}),
            },
            "info": {
                "path": "/v2/info",
                "there": spelt({"network_id": CHAIN_ID, "stacks_tip_height": TIP}),
            },
        },
        "kept": {"height": HEIGHT, "size": ANCHORED},
        "tip": TIP,
    }
    sys.stdout.write(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
