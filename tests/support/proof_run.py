"""Golden range proofs made and checked in a process where some modules cannot be imported.

    python -m tests.support.proof_run numpy gmpy2 < proto/vectors/rangeproof.json

Prints, as JSON, which group was used, the proofs it made, and what checking left.
"""

import json
import sys
from typing import Any


def run(cases: list[dict[str, Any]], *, many: int) -> dict[str, object]:
    """Make and check every case of the golden JSON; `many` of them in the large batch."""
    from meterseal_proto.commitment import commit
    from meterseal_proto.group import group
    from meterseal_proto.rangechecker import Claim, failing, holds, remainder
    from meterseal_proto.rangeproof import Statement
    from meterseal_proto.rangeprover import Opening, prove
    from meterseal_proto.secret import Secret

    claims = []
    for case in cases:
        openings = [
            Opening(Secret(value), Secret(int(blinding, 16)))
            for value, blinding in zip(case["values"], case["blindings"], strict=True)
        ]
        made = tuple(commit(one.value, one.blinding) for one in openings)
        statement = Statement(bytes.fromhex(case["context"]), case["bits"], made)
        proof = prove(statement, openings, bytes.fromhex(case["fresh"]))
        claims.append(Claim(statement, proof))
    wrong = Claim(claims[-1].statement, claims[-1].proof[:-1] + b"\x00")
    left = remainder([*claims, wrong], lambda _: 7)
    assert left is not None
    return {
        "group": group().name,
        "proofs": [claim.proof.hex() for claim in claims],
        "left": group().encode(left).hex(),
        "all hold": holds((claims * many)[:many]),
        "failing": failing([claims[0], wrong, *claims[1:]]),
    }


def main() -> None:
    """Bar the modules named on the command line, then run what is on standard input."""
    for name in sys.argv[1:]:
        # None in sys.modules makes an import fail as if nothing were installed.
        sys.modules[name] = None  # type: ignore[assignment]
    cases = json.load(sys.stdin)["proofs"]
    many = 3 if "cffi" in sys.argv else 60
    json.dump(run(cases, many=many), sys.stdout)


if __name__ == "__main__":
    main()
