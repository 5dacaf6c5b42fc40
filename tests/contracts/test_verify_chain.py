"""A file is followed to a root that our bindings anchored on the devnet, or it is not there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from meterseal_aggregator.stacks.calls import oracle
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import TESTNET_CHAIN, Network, Transaction
from meterseal_proto.bundle import Bundle, stacks_reference
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import DEPTH, Question, hear
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Unavailable
from meterseal_proto.nodehttp import node_at
from meterseal_proto.verify import main
from tests.contracts.test_contracts import installed, need_node
from tests.support.chainsaying import grown
from tests.support.devnet import Devnet, running
from tests.support.evidence import GENESIS

TEST = Network.of(TESTNET_CHAIN)
ADMIN = 0
FEE = 20_000
NETWORK = ["--network", GENESIS.network.hex()]


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    need_node()
    installed()
    with running(tmp_path_factory.mktemp("devnet")) as devnet:
        yield devnet


def contracts(devnet: Devnet) -> Deployment:
    return Deployment(devnet.keys[ADMIN].address(TEST))


def act(devnet: Devnet, call: Call) -> None:
    """Have the deployer do something, in a block."""
    key = devnet.keys[ADMIN]
    who = key.address(TEST).text()
    with urlopen(f"{devnet.url}/v2/accounts/{who}?proof=0", timeout=60) as reply:  # noqa: S310
        nonce = int(reply.read().split(b'"nonce":')[1].split(b",")[0].rstrip(b"}"))
    signed = Transaction(TEST, nonce, FEE, call.payload, call.conditions).signed(key)
    kind = {"content-type": "application/octet-stream"}
    where = f"{devnet.url}/v2/transactions"
    with urlopen(Request(where, data=signed.raw, headers=kind), timeout=60) as reply:  # noqa: S310
        assert signed.txid in reply.read().decode()
    devnet.mine()


def test_a_bundle_leads_to_the_root_on_the_devnet_under_either_size(
    devnet: Devnet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(file: Bundle, *more: str) -> tuple[int, str]:
        path = tmp_path / "bundle.json"
        path.write_bytes(file.encode())
        code = main([str(path), "--node", devnet.url, "--require-anchor", *more])
        return code, capsys.readouterr().out.splitlines()[-1]

    log, at = grown(), contracts(devnet)
    contract = at.contract("energy-oracle")
    assert Genesis(*_parts(at)) == GENESIS, "the evidence names the devnet's contracts"
    size, root = log.sizes[0], log.roots[0]
    bare = replace(log.under(0), anchor=None)
    code, line = says(bare, *NETWORK)
    assert (code, "no such root" in line) == (1, True)
    act(devnet, oracle.anchor(at, size, root))
    kept = hear(node_at(devnet.url), Question(GENESIS.chain_id, contract, root)).kept
    assert kept is not None
    assert kept.size == size
    told = stacks_reference(GENESIS.chain_id, contract.text(), kept.height)
    code, line = says(bare, *NETWORK)
    assert (code, line[:9]) == (1, "UNCHECKED")
    devnet.mine(DEPTH)
    later = log.anchored(earlier=True, proof=log.proof)
    anchor = later.anchor
    assert anchor is not None
    later = replace(later, anchor=replace(anchor, reference=told))
    for file in (bare, later):
        code, line = says(file, *NETWORK)
        assert (code, line[:4]) == (0, "PASS"), line
        assert f"{contract.text()} on chain 2147483648 has held size {size}" in line
        code, line = says(file)
        assert (code, line[:9]) == (1, "UNCHECKED"), line
    other = stacks_reference(GENESIS.chain_id, contract.text(), kept.height - 1)
    lying = replace(later, anchor=replace(anchor, reference=other))
    assert says(lying, *NETWORK)[1].startswith("FAIL")


def _parts(at: Deployment) -> tuple[int, str, str]:
    return TEST.chain_id, f"{at.address.text()}.registry", GENESIS.log_key


def test_a_contract_that_is_not_there_or_keeps_no_roots_is_no_answer(
    devnet: Devnet,
) -> None:
    node, at = node_at(devnet.url), contracts(devnet)
    stranger = Deployment(devnet.keys[1].address(TEST))
    for contract in (
        stranger.contract("energy-oracle"),
        at.contract("energy-token"),
        Principal.parse("ST000000000000000000002AMW42H.bns"),
    ):
        with pytest.raises(Unavailable, match="has no contract"):
            hear(node, Question(GENESIS.chain_id, contract, bytes(32)))
    there = at.contract("energy-oracle")
    with pytest.raises(Unavailable, match="chain 2147483648: ask one of chain 1"):
        hear(node, Question(1, there, bytes(32)))
    heard = hear(node, Question(GENESIS.chain_id, there, bytes(32)))
    assert heard.kept is None
    assert heard.height > 0
