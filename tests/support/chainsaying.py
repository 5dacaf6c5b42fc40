"""Nodes for the verifier that say what a test lets them say, of one contract."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from meterseal_proto import merkle
from meterseal_proto.bundle import Anchor, Bundle, stacks_reference
from meterseal_proto.chainnode import Kept, Node
from meterseal_proto.checkpoint import sign_note
from meterseal_proto.clarity import Buffer, Optional, Tuple, UInt, Value, encode
from meterseal_proto.entry import leaf_of
from tests.support.evidence import GENESIS, LOG_KEY, Street, a_bundle

CONTRACT = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM.energy-oracle"
"""The contract of the network that `tests.support.evidence` makes."""
BLOCK = 31
INFO = "/v2/info"
ROOTS = "/v2/map_entry/" + CONTRACT.replace(".", "/") + "/roots?proof=0"


def entry(value: Value) -> bytes:
    """Answer a map's entry as nodes do."""
    return json.dumps({"data": f"0x{encode(value).hex()}"}).encode()


def kept(size: int, height: int) -> Value:
    """What the contract keeps of a root."""
    return Optional(Tuple.of(at=UInt(9), height=UInt(height), size=UInt(size)))


@dataclass
class Says:
    """A node at `height` whose contract holds `roots`; `asked` counts its questions."""

    roots: dict[bytes, Kept]
    name: str = "http://one.example"
    height: int = BLOCK + 7
    chain: int = GENESIS.chain_id
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Answer as a node does."""
        self.asked.append(path)
        if path == INFO and body is None:
            info = {"network_id": self.chain, "stacks_tip_height": self.height}
            return 200, json.dumps(info | {"server_version": "x"}).encode()
        if path != ROOTS or body is None:
            return 404, b"No such contract"
        for root, one in self.roots.items():
            if json.loads(body) == f"0x{encode(Buffer(root)).hex()}":
                return 200, entry(kept(one.size, one.height))
        return 200, entry(Optional())

    def node(self) -> Node:
        """The node as the verifier asks it."""
        return Node(self.name, self.answer)

    def but(self, path: str, answer: Callable[[], tuple[int, bytes]]) -> Node:
        """The same node, which answers one path otherwise."""

        def fetch(asked: str, body: bytes | None) -> tuple[int, bytes]:
            return answer() if asked == path else self.answer(asked, body)

        return Node(self.name, fetch)


def on_chain(bundle: Bundle, height: int = BLOCK) -> Bundle:
    """The bundle, its checkpoint anchored by the network's contract."""
    assert bundle.anchor is not None
    reference = stacks_reference(GENESIS.chain_id, CONTRACT, height)
    anchor = replace(bundle.anchor, publisher="stacks", reference=reference)
    return replace(bundle, anchor=anchor)


def a_bundle_on_chain() -> tuple[Bundle, Says]:
    """A bundle whose checkpoint is anchored, and a node that knows it."""
    bundle = on_chain(a_bundle())
    assert bundle.anchor is not None
    return bundle, Says({bundle.anchor.root: Kept(bundle.anchor.size, BLOCK)})


@dataclass
class Grown:
    """A log at three sizes: where a seal was taken in, later, and later still."""

    street: Street
    bundle: Bundle
    sizes: tuple[int, int]
    roots: tuple[bytes, bytes]
    proof: tuple[bytes, ...]

    def anchored(self, *, earlier: bool, proof: tuple[bytes, ...]) -> Bundle:
        """The bundle under one size, its anchor of the other."""
        at = 0 if earlier else 1
        anchor = Anchor(
            "stacks", self.sizes[at], self.roots[at],
            stacks_reference(GENESIS.chain_id, CONTRACT, BLOCK), proof,
        )  # fmt: skip
        return replace(self.under(1 - at), anchor=anchor)

    def under(self, at: int) -> Bundle:
        """The bundle under the smaller (0) or the larger (1) of the two sizes."""
        street, size = self.street, self.sizes[at]
        whole, street.entries = street.entries, street.entries[:size]
        try:
            key, seal = self.bundle.key, self.bundle.seal
            return replace(
                self.bundle,
                key=replace(key, logged=street.logged(key.logged.index)),
                seal=replace(seal, logged=street.logged(seal.logged.index)),
                checkpoint=sign_note(street.checkpoint(), LOG_KEY),
            )
        finally:
            street.entries = whole


def grown() -> Grown:
    """A log of 7 entries, the fourth a seal; then of 12."""

    street = Street()
    seal = street.seal()
    street.noise(3)
    before, bundle = street.checkpoint(), street.bundle(seal)
    street.noise(5)
    after = street.checkpoint()
    leaves = [leaf_of(one) for one in street.entries]
    proof = merkle.consistency_proof(leaves, before.size)
    sizes, roots = (before.size, after.size), (before.root, after.root)
    return Grown(street, bundle, sizes, roots, proof)
