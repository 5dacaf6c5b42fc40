"""Anchors and the questions about them are spelt as an independent script spells them."""

import json
from pathlib import Path
from typing import Any

from meterseal_proto import merkle
from meterseal_proto.bundle import anchor_json, read_anchor
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import Heard, Kept, Node, Question, hear

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"


def test_another_programs_anchor_and_what_it_asks_are_ours() -> None:
    made = json.loads((VECTORS / "anchor.json").read_text())
    anchor = read_anchor(made["anchor"])
    assert anchor is not None
    assert anchor_json(anchor) == made["anchor"]
    head = made["checkpoint"]
    leaves = [merkle.leaf_hash(bytes.fromhex(one)) for one in made["entries"]]
    assert (merkle.root_of(leaves).hex(), len(leaves)) == (head["root"], head["size"])
    assert merkle.verify_consistency(
        anchor.size,
        head["size"],
        anchor.root,
        bytes.fromhex(head["root"]),
        anchor.proof,
    )
    info, there = made["node"]["info"], made["node"]["entry"]
    for said, kept_there in (("there", Kept(**made["kept"])), ("absent", None)):
        answers = {
            (info["path"], None): info["there"],
            (there["path"], there["body"].encode()): there[said],
        }

        def fetch(
            path: str, body: bytes | None, told: dict[Any, str] = answers
        ) -> tuple[int, bytes]:
            return 200, told[path, body].encode()

        contract = Principal.parse(anchor.reference.split(":")[2])
        question = Question(made["chain_id"], contract, anchor.root)
        heard = hear(Node("n", fetch), question)
        assert heard == Heard("n", made["tip"], kept_there)
