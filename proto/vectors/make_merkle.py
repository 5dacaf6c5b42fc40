"""Make merkle.json: roots and proofs from the recursive definitions of RFC 9162.

Independent of the package it checks: written from the text of sections 2.1.1,
2.1.3.1 and 2.1.4.1, with hashlib and nothing else. It must never import
meterseal_proto. The eight entries are those of the RFC 6962 reference tree.

Usage: python proto/vectors/make_merkle.py > proto/vectors/merkle.json
"""

import hashlib
import json
import sys

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def sha(data):
    """Hash bytes with SHA-256."""
    return hashlib.sha256(data).digest()


def power_below(n):
    """Give the largest power of two strictly smaller than n."""
    k = 1
    while 2 * k < n:
        k = 2 * k
    return k


def mth(d):
    """MTH of RFC 9162 2.1.1."""
    if len(d) == 0:
        return sha(b"")
    if len(d) == 1:
        return sha(b"\x00" + d[0])
    k = power_below(len(d))
    return sha(b"\x01" + mth(d[:k]) + mth(d[k:]))


def path(m, d):
    """PATH of RFC 9162 2.1.3.1."""
    if len(d) == 1:
        return []
    k = power_below(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m, d, *, whole):
    """SUBPROOF of RFC 9162 2.1.4.1."""
    if m == len(d):
        return [] if whole else [mth(d)]
    k = power_below(len(d))
    if m <= k:
        return [*subproof(m, d[:k], whole=whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], whole=False), mth(d[:k])]


def vectors():
    """Collect every root, inclusion proof and consistency proof up to eight leaves."""
    sizes = range(len(ENTRIES) + 1)
    return {
        "source": "RFC 9162 sections 2.1.1, 2.1.3.1, 2.1.4.1",
        "entries": [entry.hex() for entry in ENTRIES],
        "leaf_hashes": [mth([entry]).hex() for entry in ENTRIES],
        "roots": [mth(ENTRIES[:n]).hex() for n in sizes],
        "inclusion": [
            {"index": i, "size": n, "proof": [h.hex() for h in path(i, ENTRIES[:n])]}
            for n in sizes
            for i in range(n)
        ],
        "consistency": [
            {
                "first": m,
                "second": n,
                "proof": [h.hex() for h in subproof(m, ENTRIES[:n], whole=True)],
            }
            for n in sizes
            for m in range(1, n + 1)
        ],
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
