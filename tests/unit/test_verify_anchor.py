"""A file is followed to the root a contract holds, and no node's lie passes for it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto import merkle
from meterseal_proto.bundle import (
    Anchor,
    Bundle,
    Json,
    canonical,
    parse_bundle,
    stacks_reference,
)
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import Kept, Node
from meterseal_proto.checkpoint import open_note
from meterseal_proto.claims import Claim, Expectation, Verdict, holds
from meterseal_proto.clarity import (
    Bool,
    Buffer,
    Int,
    List,
    Optional,
    Tuple,
    UInt,
    Value,
)
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import leaf_of
from meterseal_proto.errors import Rejected, Unavailable
from meterseal_proto.totalfile import parse_total
from meterseal_proto.verify import examine
from tests.support.chainsaying import (
    BLOCK,
    CONTRACT,
    INFO,
    ROOTS,
    Says,
    a_bundle_on_chain,
    entry,
    grown,
    kept,
    on_chain,
)
from tests.support.evidence import GENESIS, a_bundle, unproved
from tests.support.total_evidence import a_total

MINE = Expectation(network=GENESIS.network.hex())
OTHER = "ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG.energy-oracle"
BUNDLE, HONEST = a_bundle_on_chain()
SIZE = 9


def asking(*nodes: Node, known: Expectation = MINE) -> Expectation:
    return replace(known, nodes=nodes)


def anchor_of(file: Bundle, known: Expectation) -> Claim:
    return examine(file.encode(), known)[-1]


def test_a_root_the_contract_holds_deep_passes_and_the_line_says_who_said_it() -> None:
    claims = examine(BUNDLE.encode(), asking(HONEST.node()))
    assert unproved(claims) == []
    assert holds(claims, require_anchor=True)
    said = claims[-1].text
    for part in (HONEST.name, CONTRACT, f"block {BLOCK}", f"size {SIZE}", "7 blocks"):
        assert part in said
    assert "your network's contract" in said


def test_without_a_node_the_anchor_is_unchecked_and_may_be_required() -> None:
    claims = examine(BUNDLE.encode(), MINE)
    assert unproved(claims) == ["anchor"]
    assert "--node" in claims[-1].text
    assert holds(claims, require_anchor=False)
    assert not holds(claims, require_anchor=True)


def test_a_contract_that_only_the_file_names_is_asked_and_stays_unchecked() -> None:
    nobody = asking(HONEST.node(), known=Expectation())
    claim = anchor_of(BUNDLE, nobody)
    assert claim.verdict is Verdict.UNCHECKED
    assert "nobody except this file" in claim.text
    assert HONEST.name in claim.text
    lied = asking(Says({}).node(), known=Expectation())
    assert anchor_of(BUNDLE, lied).verdict is Verdict.FAIL


def test_a_contract_the_reader_names_passes_without_his_network() -> None:
    named = Expectation(contract=Principal.parse(CONTRACT))
    claims = examine(BUNDLE.encode(), asking(HONEST.node(), known=named))
    assert unproved(claims) == ["your-network"]
    assert "you named" in claims[-1].text


def test_an_anchor_in_another_contract_than_the_networks_fails_asked_or_not() -> None:
    assert BUNDLE.anchor is not None
    there = stacks_reference(GENESIS.chain_id, OTHER, BLOCK)
    moved = replace(BUNDLE, anchor=replace(BUNDLE.anchor, reference=there))
    for known in (MINE, Expectation(), asking(HONEST.node())):
        claim = anchor_of(moved, known)
        assert claim.verdict is Verdict.FAIL
        assert OTHER in claim.text
    wrong = asking(HONEST.node(), known=replace(MINE, contract=Principal.parse(OTHER)))
    assert anchor_of(BUNDLE, wrong).verdict is Verdict.FAIL


def test_a_network_without_a_contract_needs_one_named() -> None:
    bare = replace(GENESIS, registry="none")
    file = replace(BUNDLE, genesis=bare)
    known = asking(HONEST.node(), known=Expectation(network=bare.network.hex()))
    assert "nobody except this file" in anchor_of(file, known).text
    assert file.anchor is not None
    misspelt = replace(file.anchor, reference=_misspelt())
    assert anchor_of(replace(file, anchor=misspelt), known).verdict is Verdict.FAIL
    silent = replace(file, anchor=None)
    claim = anchor_of(silent, known)
    assert (claim.verdict, "--contract" in claim.text) == (Verdict.UNCHECKED, True)
    named = replace(known, contract=Principal.parse(CONTRACT))
    assert anchor_of(file, named).verdict is Verdict.PASS


def _misspelt() -> str:
    return stacks_reference(GENESIS.chain_id, CONTRACT.replace("ST1P", "ST1Q"), BLOCK)


def test_a_file_without_an_anchor_passes_where_its_own_checkpoint_is_anchored() -> None:
    for file in (a_bundle(), replace(BUNDLE, anchor=None)):
        assert anchor_of(file, asking(HONEST.node())).verdict is Verdict.PASS
        later = anchor_of(file, asking(Says({}).node()))
        assert later.verdict is Verdict.UNCHECKED
        assert "next anchor" in later.text


def test_a_total_is_followed_like_a_bundle() -> None:
    total = a_total()
    claims = examine(total.encode(), asking(HONEST.node()))
    assert unproved(claims) == ["your-trustees", "anchor"]
    root = open_note(total.checkpoint, GENESIS.log_key).root
    knows = Says({root: Kept(3, BLOCK)})
    assert unproved(examine(total.encode(), asking(knows.node()))) == ["your-trustees"]
    anchored = replace(total, anchor=_anchor(root, 3))
    assert parse_total(anchored.encode()) == anchored
    for node, verdict in ((knows, Verdict.PASS), (Says({}), Verdict.FAIL)):
        claims = examine(anchored.encode(), asking(node.node()))
        assert claims[-1].verdict is verdict


@pytest.mark.parametrize("earlier", [True, False])
def test_an_anchor_of_another_size_counts_where_both_are_proved_one_log(
    earlier: bool,
) -> None:
    log = grown()
    file = log.anchored(earlier=earlier, proof=log.proof)
    assert parse_bundle(file.encode()) == file
    at = 0 if earlier else 1
    knows = Says({log.roots[at]: Kept(log.sizes[at], BLOCK)})
    assert unproved(examine(file.encode(), asking(knows.node()))) == []
    wrong: list[tuple[bytes, ...]] = [(), log.proof[1:], (*log.proof, bytes(32))]
    for proof in wrong:
        claims = examine(
            log.anchored(earlier=earlier, proof=proof).encode(), asking(knows.node())
        )
        assert [c.name for c in claims if c.verdict is Verdict.FAIL] == ["anchor"]
    same = replace(file, checkpoint=log.under(at).checkpoint)
    assert anchor_of(same, asking(knows.node())).verdict is Verdict.FAIL


def test_an_anchor_from_before_the_entry_was_logged_proves_nothing() -> None:
    log = grown()
    leaves = [leaf_of(one) for one in log.street.entries]
    index = log.bundle.seal.logged.index
    root = merkle.root_of(leaves[:index])
    anchor = _anchor(root, index, merkle.consistency_proof(leaves, index))
    knows = Says({root: Kept(index, BLOCK)})
    claim = anchor_of(replace(log.under(1), anchor=anchor), asking(knows.node()))
    assert claim.verdict is Verdict.FAIL
    assert f"before entry {index}" in claim.text


def _anchor(root: bytes, size: int, proof: tuple[bytes, ...] = ()) -> Anchor:
    reference = stacks_reference(GENESIS.chain_id, CONTRACT, BLOCK)
    return Anchor("stacks", size, root, reference, proof)


def test_an_anchor_has_one_spelling() -> None:
    log = grown()
    whole = json.loads(log.anchored(earlier=True, proof=log.proof).encode())
    wrong: list[Json] = [[], None, ["00"], [bytes(32).hex()] * 65, "x", {}]
    for proof in wrong:
        changed = {**whole, "anchor": {**whole["anchor"], "proof": proof}}
        with pytest.raises(Rejected, match="anchor"):
            parse_bundle(canonical(changed))
    total = json.loads(a_total().encode())
    with pytest.raises(Rejected, match="anchor"):
        parse_total(canonical({**total, "anchor": None}))


ROOT = next(iter(HONEST.roots))
FALSE: dict[str, tuple[Says, Verdict, str]] = {
    "no such root": (Says({}), Verdict.FAIL, "no such root"),
    "another size": (Says({ROOT: Kept(SIZE + 1, BLOCK)}), Verdict.FAIL, "size 10"),
    "another block": (Says({ROOT: Kept(SIZE, 30)}), Verdict.FAIL, "block 30"),
    "too young": (replace(HONEST, height=BLOCK + 6), Verdict.UNCHECKED, "6 blocks"),
    "ahead of itself": (replace(HONEST, height=3), Verdict.UNCHECKED, "0 blocks"),
    "behind": (Says({}, height=BLOCK - 1), Verdict.UNCHECKED, "later"),
    "another chain": (replace(HONEST, chain=1), Verdict.UNCHECKED, "of chain 1:"),
}


@pytest.mark.parametrize("lie", FALSE)
def test_a_false_or_early_answer_never_passes(lie: str) -> None:
    node, verdict, words = FALSE[lie]
    claims = examine(BUNDLE.encode(), asking(node.node()))
    assert (claims[-1].verdict, node.name in claims[-1].text) == (verdict, True)
    assert words in claims[-1].text
    assert not holds(claims, require_anchor=True)
    assert holds(claims, require_anchor=False) is (verdict is Verdict.UNCHECKED)


def test_the_depth_is_the_readers() -> None:
    young = replace(HONEST, height=BLOCK + 2)
    for depth, verdict in ((2, Verdict.PASS), (3, Verdict.UNCHECKED)):
        known = replace(asking(young.node()), depth=depth)
        assert anchor_of(BUNDLE, known).verdict is verdict


def info(**fields: object) -> bytes:
    right = {"network_id": GENESIS.chain_id, "stacks_tip_height": BLOCK + 7}
    return json.dumps(right | fields).encode()


def right() -> dict[str, Value]:
    return {"at": UInt(9), "height": UInt(BLOCK), "size": UInt(SIZE)}


NO_INFO = (
    b"", b"<html>", b"[]", b"null", b"{}", b"[" * 100, b"9" * 5_000, b"\xff\xfe{",
    info(network_id=True), info(network_id="2147483648"), info(network_id=2.0),
    info(stacks_tip_height=-1), info(stacks_tip_height=None),
    info(stacks_tip_height=1 << 50), info(more=[[]] * 70),
)  # fmt: skip
NO_ENTRY = (
    b"", b"{}", b"[]", b'{"data": null}', b'{"data": "0x"}', b'{"data": "0xzz"}',
    b'{"data": "0a"}', b'{"data": "0x0"}', b'{"data": "0x0A"}', b'{"data": 10}',
    b'{"data": "0x' + b"0a" * 40 + b'09"}', b'{"data": "0x0909"}',
    b'{"data": "0x0affffffff"}',
    entry(Bool(value=True)), entry(UInt(9)), entry(Optional(UInt(9))),
    entry(Tuple(right())), entry(Optional(List((Tuple(right()),)))),
    entry(Optional(Tuple({**right(), "root": Buffer(ROOT)}))),
    entry(Optional(Tuple({"height": UInt(BLOCK), "size": UInt(SIZE)}))),
    entry(Optional(Tuple({**right(), "size": Int(SIZE)}))),
    entry(Optional(Tuple({**right(), "size": UInt((1 << 32) + 1)}))),
    entry(Optional(Tuple({**right(), "height": UInt(1 << 41)}))),
)  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 301, 404, 500])
def test_what_is_no_answer_is_unchecked_and_says_so(status: int) -> None:
    wrong = [(INFO, one) for one in NO_INFO] + [(ROOTS, one) for one in NO_ENTRY]
    wrong += (
        [] if status == 200 else [(INFO, info()), (ROOTS, entry(kept(SIZE, BLOCK)))]
    )
    for path, content in wrong:

        def answer(said: bytes = content) -> tuple[int, bytes]:
            return status, said

        claim = anchor_of(BUNDLE, asking(HONEST.but(path, answer)))
        assert claim.verdict is Verdict.UNCHECKED, (content, claim)
        assert claim.text.startswith(HONEST.name), claim
        assert len(claim.text) < 300


ANSWERS = st.tuples(
    st.sampled_from([200, 200, 200, 404, 500]),
    st.binary(max_size=60)
    | st.sampled_from([*NO_INFO, *NO_ENTRY, info()])
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.dictionaries(
            st.sampled_from(["network_id", "stacks_tip_height", "data"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode()),
)


@given(ANSWERS, ANSWERS)
def test_nothing_that_a_node_says_makes_the_claim_stumble(
    first: tuple[int, bytes], second: tuple[int, bytes]
) -> None:
    node = Node("n", lambda path, _: first if path == INFO else second)
    claim = anchor_of(BUNDLE, asking(node))
    assert claim.verdict is not Verdict.PASS


def test_a_node_without_the_contract_says_nothing_of_the_root() -> None:
    claim = anchor_of(BUNDLE, asking(HONEST.but(ROOTS, lambda: (404, b"none"))))
    assert claim.verdict is Verdict.UNCHECKED
    assert f"has no contract {CONTRACT}" in claim.text


def silent() -> tuple[int, bytes]:
    raise Unavailable("did not answer within 10 s")


def test_two_nodes_are_both_named_when_they_agree() -> None:
    second = replace(HONEST, name="http://two.example", height=BLOCK + 9)
    claim = anchor_of(BUNDLE, asking(HONEST.node(), second.node()))
    assert claim.verdict is Verdict.PASS
    assert f"{HONEST.name} and {second.name} say" in claim.text
    assert "7 blocks" in claim.text


@pytest.mark.parametrize(
    "other", [{}, {ROOT: Kept(SIZE, BLOCK + 1)}, {ROOT: Kept(SIZE + 1, BLOCK)}]
)
def test_two_nodes_that_disagree_fail_by_name(other: dict[bytes, Kept]) -> None:
    second = Says(other, name="http://two.example")
    for file in (BUNDLE, replace(BUNDLE, anchor=None)):
        for nodes in ((HONEST, second), (second, HONEST)):
            claim = anchor_of(file, asking(*(one.node() for one in nodes)))
            assert claim.verdict is Verdict.FAIL
            assert "disagree" in claim.text
            assert all(one.name in claim.text for one in nodes)


def test_one_node_does_not_speak_for_another_that_is_silent_or_behind() -> None:
    second = Says({}, name="http://two.example", height=BLOCK - 1)
    away = second.but(INFO, silent)
    for other in (away, second.node()):
        for nodes in ((HONEST.node(), other), (other, HONEST.node())):
            claim = anchor_of(BUNDLE, asking(*nodes))
            assert claim.verdict is Verdict.UNCHECKED
            assert second.name in claim.text
    denied = anchor_of(BUNDLE, asking(Says({}).node(), away))
    assert denied.verdict is Verdict.FAIL


def test_a_node_is_asked_two_questions_and_only_where_there_is_something_to_ask() -> (
    None
):
    node = replace(HONEST, asked=[])
    examine(BUNDLE.encode(), asking(node.node()))
    assert node.asked == [INFO, ROOTS]
    unsigned = replace(BUNDLE, checkpoint="x")
    claim = anchor_of(unsigned, asking(node.node()))
    assert claim.verdict is Verdict.UNCHECKED
    assert len(node.asked) == 2


def test_an_anchor_of_another_network_than_the_readers_is_asked_as_a_strangers() -> (
    None
):
    bare = Genesis(GENESIS.chain_id, OTHER, GENESIS.log_key)
    theirs = replace(on_chain(a_bundle()), genesis=bare)
    claims = examine(theirs.encode(), asking(HONEST.node()))
    failed = [one.name for one in claims if one.verdict is Verdict.FAIL]
    assert "your-network" in failed
    assert "anchor" in failed
