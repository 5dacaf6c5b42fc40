"""A range proof made in a process of its own, at the lowest priority.

    python -m meterseal_agent.seal.prover < job > proof

A proof takes seconds on a Pi and megabytes of tables: neither may be the daemon's. The
job comes on standard input, never as an argument, which every user of the machine can
read; the proof is checked here before it leaves. A process that dies leaves nothing
behind: whoever asked asks again. It must never write anything but a proof.
"""

import os
import sys
from typing import Final

from meterseal_agent.seal.committer import Job
from meterseal_proto.encoding import decode, encode
from meterseal_proto.errors import Malformed, Rejected
from meterseal_proto.rangechecker import Claim, holds
from meterseal_proto.rangeproof import BadProof, Statement
from meterseal_proto.rangeprover import Opening, prove
from meterseal_proto.secret import Secret

MODULE: Final = "meterseal_agent.seal.prover"
NICENESS: Final = 19
"""The least priority there is: reading meters goes first."""
_FIELDS: Final = 5


def to_bytes(job: Job) -> bytes:
    """Return a job as the prover's standard input takes it."""
    said = job.statement
    openings = [one.value.to_bytes() + one.blinding.to_bytes() for one in job.openings]
    return encode([
        said.context, said.bits, list(said.commitments), openings, job.fresh,
    ])  # fmt: skip


def proof_of(raw: bytes) -> bytes:
    """Return the proof of a job's bytes, checked; Malformed or BadProof where none can be."""
    statement, openings, fresh = _read(raw)
    proof = prove(statement, openings, fresh)
    if not holds([Claim(statement, proof)]):
        raise BadProof("the proof made does not hold: this machine computes wrongly")
    return proof


def _read(raw: bytes) -> tuple[Statement, list[Opening], bytes]:
    fields = decode(raw)
    if not isinstance(fields, tuple) or len(fields) != _FIELDS:
        raise Malformed(f"a job is an array of {_FIELDS}")
    context, bits, commitments, openings, fresh = fields
    if not (
        isinstance(context, bytes)
        and type(bits) is int
        and isinstance(commitments, tuple)
        and isinstance(openings, tuple)
        and isinstance(fresh, bytes)
    ):
        raise Malformed("a job with a field of the wrong kind")
    points = tuple(one for one in commitments if isinstance(one, bytes))
    pairs = [one for one in openings if isinstance(one, bytes)]
    found = [
        Opening(Secret.of_bytes(pair[:32]), Secret.of_bytes(pair[32:]))
        for pair in pairs
    ]
    return Statement(context, bits, points), found, fresh


def main() -> int:
    """Answer one job; 1 for one that has no proof, and nothing said of why."""
    os.nice(NICENESS)
    try:
        proof = proof_of(sys.stdin.buffer.read())
    except (BadProof, Rejected):
        return 1
    sys.stdout.buffer.write(proof)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
