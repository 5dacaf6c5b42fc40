"""What a wallet built on stacks.js signs for a challenge is what we make and take."""

import json
import subprocess

from meterseal_aggregator.stacks.calls import marketplace
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.transaction import (
    TESTNET_CHAIN,
    AccountKey,
    Network,
)
from meterseal_aggregator.stacks.wallet.handout import handout
from meterseal_proto.c32 import Principal
from tests.contracts.test_contracts import CONTRACTS, installed, need_node

SCRIPT = """
import { deserializeCV, getAddressFromPrivateKey, signStructuredData } from "@stacks/transactions";
const made = JSON.parse(process.argv[1]).map(({ message, domain, secret, chain_id }) => ({
  signature: signStructuredData({ message: deserializeCV(message), domain: deserializeCV(domain), privateKey: secret }),
  principal: getAddressFromPrivateKey(`${secret}01`, chain_id === 1 ? "mainnet" : "testnet"),
}));
console.log(JSON.stringify(made));
"""


def test_stacks_js_signs_our_challenges_with_our_bytes() -> None:
    need_node()
    installed()
    cases = json.loads((CONTRACTS.parent / "proto/vectors/wallet.json").read_text())[
        "cases"
    ]
    told = subprocess.run(
        ["node", "--input-type=module", "-e", SCRIPT, json.dumps(cases)],
        cwd=CONTRACTS,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = [{key: case[key] for key in ("signature", "principal")} for case in cases]
    assert json.loads(told.stdout) == wanted


UNSIGNED = """
import { makeUnsignedContractCall, deserializeTransaction, deserializeCV } from "@stacks/transactions";
const { request, publicKey, unsigned } = JSON.parse(process.argv[1]);
const [contractAddress, contractName] = request.contract.split(".");
const made = await makeUnsignedContractCall({
  contractAddress, contractName, functionName: request.functionName, functionArgs: request.functionArgs.map((one) => deserializeCV(one)),
  postConditions: request.postConditions, postConditionMode: request.postConditionMode, network: request.network, nonce: 7, fee: 3000, publicKey,
});
console.log(JSON.stringify([made.serialize(), deserializeTransaction(unsigned).serialize()]));
"""


def test_what_we_hand_out_is_what_stacks_js_makes_of_our_request() -> None:
    need_node()
    installed()
    key = AccountKey(b"\x61" * 32)
    network = Network.of(TESTNET_CHAIN)
    at = Deployment(key.address(network))
    call = marketplace.buy_energy_from_user(at, Principal(at.address), 2_000, 204_000)
    given = handout(call, key.address(network), network, 7, 3_000)
    asked = {
        "request": dict(given.request),
        "publicKey": key.public.hex(),
        "unsigned": given.unsigned.hex(),
    }
    told = subprocess.run(
        ["node", "--input-type=module", "-e", UNSIGNED, json.dumps(asked)],
        cwd=CONTRACTS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == [given.unsigned.hex()] * 2
