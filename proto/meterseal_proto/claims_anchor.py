"""The claim that the log's root was published where nobody takes it back.

The file says what was published: the checkpoint's own size and root, or those of another
size with the proof that both are of one log. Nodes say what the contract holds. Which
contract counts is never the file's to say: the network's genesis document names it, where
the reader named his network, or the reader names it himself; of any other contract nodes
are asked and the claim stays UNCHECKED. What nodes say is one witness each, so the sentence
names them. This module must never pass a claim on a file's word, or on one node's where
another was named.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.bundle import (
    FILE_PUBLISHER,
    STACKS_PUBLISHER,
    Anchor,
    file_reference,
)
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import CONTRACT, Heard, Kept, Question, hear
from meterseal_proto.checkpoint import Checkpoint
from meterseal_proto.claims import Facts, Unasked, Wrong
from meterseal_proto.errors import Unavailable
from meterseal_proto.merkle import verify_consistency

_ON_CHAIN: Final = re.compile(
    rf"{STACKS_PUBLISHER}:(\d{{1,10}}):(S[0-9A-Z]{{2,40}}\.[a-zA-Z][a-zA-Z0-9_-]{{0,39}}):(\d{{1,12}})",
    re.ASCII,
)
"""`bundle.stacks_reference`: the chain, the contract, the block's height."""


@dataclass(frozen=True, slots=True)
class _Contract:
    """The contract to ask; `named` says by whom, None where only the file does."""

    principal: Principal
    named: str | None


@dataclass(frozen=True, slots=True)
class _Sought:
    """What a contract should hold; `height` where the file claims that it does."""

    contract: _Contract
    size: int
    root: bytes
    height: int | None


def anchored(facts: Facts, last: int) -> str:
    """Judge what was published of the log; `last` is the largest index of the file's entries.

    Returns what nodes say; raises Wrong or Unasked.
    """
    anchor, head = facts.bundle.anchor, facts.checkpoint
    height = None if anchor is None else _claimed_height(facts, anchor)
    contract = _contract(facts)
    if height is not None:
        _same_contract(facts, contract)
    if head is None:
        raise Unasked("there is no valid checkpoint to follow")
    if anchor is not None:
        _of_this_log(anchor, head)
    published = head if anchor is None or height is None else anchor
    if published.size <= last:
        raise Wrong(f"size {published.size} is from before entry {last} was logged")
    if not facts.expectation.nodes:
        raise Unasked(_advice(anchor))
    if contract is None:
        raise Unasked(
            "no contract to ask is known: give your network's with --contract"
        )
    sought = _Sought(contract, published.size, published.root, height)
    return _follow(facts, sought)


def _claimed_height(facts: Facts, anchor: Anchor) -> int | None:
    """Return the block that an anchor names, None for one that is on no chain."""
    if anchor.publisher == FILE_PUBLISHER:
        if anchor.reference != file_reference(anchor.size, anchor.root):
            raise Wrong("the reference does not name what was published")
        return None
    if anchor.publisher != STACKS_PUBLISHER:
        raise Wrong("the publisher is not one this release knows (file, stacks)")
    match = _ON_CHAIN.fullmatch(anchor.reference)
    if match is None or int(match[1]) != facts.bundle.genesis.chain_id:
        raise Wrong("the reference names no contract on the network's chain")
    return int(match[3])


def _of_this_log(anchor: Anchor, head: Checkpoint) -> None:
    """Check that checkpoint and anchor are one log's, whichever is the larger."""
    small, large = sorted(
        [(head.size, head.root), (anchor.size, anchor.root)], key=lambda one: one[0]
    )
    if not verify_consistency(small[0], large[0], small[1], large[1], anchor.proof):
        raise Wrong(
            "what was published is neither the checkpoint nor proved to be of its log"
        )


def _contract(facts: Facts) -> _Contract | None:
    """Return the contract that anchors for this network, and who says so."""
    known, genesis = facts.expectation, facts.bundle.genesis
    if known.contract is not None:
        return _Contract(known.contract, "the contract you named")
    pinned = (known.network or "").lower() == genesis.network.hex()
    try:
        address = Principal.parse(genesis.registry).address
    except ValueError:
        claimed = _claimed_contract(facts)
        return None if claimed is None else _Contract(claimed, None)
    named = "your network's contract" if pinned else None
    return _Contract(Principal(address, CONTRACT), named)


def _claimed_contract(facts: Facts) -> Principal | None:
    anchor = facts.bundle.anchor
    match = None if anchor is None else _ON_CHAIN.fullmatch(anchor.reference)
    try:
        return None if match is None else Principal.parse(match[2])
    except ValueError:
        raise Wrong("the reference names no contract: a wrong address") from None


def _same_contract(facts: Facts, contract: _Contract | None) -> None:
    claimed = _claimed_contract(facts)
    if contract is None or claimed == contract.principal:
        return
    assert claimed is not None
    named = contract.named or "that of the genesis document"
    raise Wrong(
        f"it names {claimed.text()}, and {named} is {contract.principal.text()}"
    )


def _advice(anchor: Anchor | None) -> str:
    if anchor is None:
        return (
            "the file holds no anchor; --node URL asks for its checkpoint all the same"
        )
    if anchor.publisher == FILE_PUBLISHER:
        return "it was written to the log's own file, which proves nothing"
    return f"no node was asked for {anchor.reference}: give --node URL"


def _follow(facts: Facts, sought: _Sought) -> str:
    """Ask every node of the reader's, and say what they say; raises Wrong or Unasked."""
    chain_id = facts.bundle.genesis.chain_id
    question = Question(chain_id, sought.contract.principal, sought.root)
    heard: list[Heard] = []
    silent: list[str] = []
    for node in facts.expectation.nodes:
        try:
            heard.append(hear(node, question))
        except Unavailable as away:
            silent.append(f"{node.name} {away}")
    _agree(heard)
    for one in heard:
        _uphold(one, sought)
    if silent:
        raise Unasked(f"{'; '.join(silent)}; try again, or give another --node")
    return _deep([_there(one, sought) for one in heard], heard, facts, sought)


def _agree(heard: Sequence[Heard]) -> None:
    """Raise Wrong where two nodes differ, unless one has not come to that block yet."""
    holders = [(one, one.kept) for one in heard if one.kept is not None]
    if not holders:
        return
    first, kept = holders[0]
    for other in heard:
        behind = other.kept is None and other.height < kept.height
        if other.kept != kept and not behind:
            raise Wrong(
                f"the nodes disagree: {first.name} says {_said(kept)}, {other.name} says "
                f"{_said(other.kept)}: one of them lies, or is on a fork"
            )


def _said(kept: Kept | None) -> str:
    return "no" if kept is None else f"size {kept.size} in block {kept.height}"


def _uphold(one: Heard, sought: _Sought) -> None:
    """Raise Wrong where a node says otherwise than the file."""
    contract = sought.contract.principal.text()
    if one.kept is None:
        if sought.height is not None and one.height >= sought.height:
            raise Wrong(f"{one.name} says that {contract} has no such root")
        return
    if one.kept.size != sought.size:
        raise Wrong(
            f"{one.name} says that {contract} has this root at size {one.kept.size},"
            f" not {sought.size}"
        )
    if sought.height not in (None, one.kept.height):
        raise Wrong(
            f"{one.name} says that the root is in block {one.kept.height}, the file"
            f" says {sought.height}"
        )


def _there(one: Heard, sought: _Sought) -> Kept:
    """Return what a node found; raises Unasked where there is nothing yet."""
    if one.kept is not None:
        return one.kept
    if sought.height is not None:
        raise Unasked(
            f"{one.name} is at block {one.height}, the anchor in block {sought.height}:"
            " ask again later"
        )
    raise Unasked(
        f"{one.name} says that {sought.contract.principal.text()} has no such root: get"
        " the file again after the next anchor"
    )


def _deep(
    kept: Sequence[Kept], heard: Sequence[Heard], facts: Facts, sought: _Sought
) -> str:
    depth = min(one.height for one in heard) - kept[0].height
    names = " and ".join(one.name for one in heard)
    contract = sought.contract
    said = (
        f"{names} {'say' if len(heard) > 1 else 'says'} that {contract.principal.text()}"
        f" on chain {facts.bundle.genesis.chain_id} has held size {sought.size} and root"
        f" {sought.root.hex()} since block {kept[0].height}"
    )
    if depth < facts.expectation.depth:
        deep = f"{max(depth, 0)} blocks deep, not {facts.expectation.depth}"
        raise Unasked(f"{said}, {deep}: a fork may still undo it, ask again later")
    if contract.named is None:
        raise Unasked(
            f"{said}; but nobody except this file names that contract: give your"
            " --network, or --contract"
        )
    return f"{said}, {depth} blocks deep; it is {contract.named}"
