"""What a wallet built on stacks.js signs for a challenge is what we make and take."""

import json
import subprocess

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
