"""Accounts of the devnet that sign and send one call at a time, as anybody might."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import (
    TESTNET_CHAIN,
    AccountKey,
    Network,
    Transaction,
)
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Err, UInt, Value, decode, encode
from tests.contracts.test_contracts import installed, need_node
from tests.support.devnet import Devnet, running

TEST = Network.of(TESTNET_CHAIN)
ADMIN, HOME = 0, 4
"""Of the devnet's published keys: who deployed our contracts, and somebody else."""
FEE = 20_000


@dataclass
class Signers:
    """The devnet, our contracts there, and its published keys by number."""

    devnet: Devnet
    at: Deployment
    nonces: dict[int, int] = field(default_factory=dict)

    def who(self, number: int) -> Principal:
        return Principal(self.devnet.keys[number].address(TEST))

    def ask(self, path: str, body: bytes | None = None, kind: str = "") -> Any:  # JSON
        headers = {"content-type": kind or "application/octet-stream"} if body else {}
        asked = Request(f"{self.devnet.url}{path}", data=body, headers=headers)  # noqa: S310
        with urlopen(asked, timeout=60) as reply:  # noqa: S310
            return json.loads(reply.read())

    def reads(self, contract: str, function: str, *arguments: Value) -> Value:
        """Ask a read-only function."""
        place = f"{self.at.address.text()}/{contract}/{function}"
        hexes = [f"0x{encode(one).hex()}" for one in arguments]
        asked = {"sender": self.at.address.text(), "arguments": hexes}
        found = self.ask(
            f"/v2/contracts/call-read/{place}",
            json.dumps(asked).encode(),
            "application/json",
        )
        return decode(bytes.fromhex(found["result"][2:]))

    def sent(self, number: int, call: Call) -> tuple[str, Value]:
        """Sign, send and mine a call; answers the transaction's status and result."""
        key: AccountKey = self.devnet.keys[number]
        nonce = self.nonces.get(number)
        if nonce is None:
            nonce = self.ask(f"/v2/accounts/{self.who(number).text()}?proof=0")["nonce"]
        self.nonces[number] = nonce + 1
        wish = Transaction(TEST, nonce, FEE, call.payload, call.conditions)
        signed = wish.signed(key)
        assert self.ask("/v2/transactions", signed.raw) == signed.txid
        self.devnet.mine()
        found = self.ask(f"/extended/v1/tx/0x{signed.txid}")
        result = bytes.fromhex(found["tx_result"]["hex"].removeprefix("0x"))
        return found["tx_status"], decode(result)

    def does(self, number: int, call: Call) -> None:
        """Do what has to succeed."""
        status, result = self.sent(number, call)
        assert status == "success", (call.function, status, result)

    def refused(self, number: int, call: Call, code: int) -> None:
        """Do what its contract has to refuse with this error."""
        status, result = self.sent(number, call)
        assert (status, result) == ("abort_by_response", Err(UInt(code)))


@contextmanager
def signers(folder: Path) -> Iterator[Signers]:
    """Start a devnet of our contracts for these accounts."""
    need_node()
    installed()
    with running(folder) as devnet:
        yield Signers(devnet, Deployment(devnet.keys[ADMIN].address(TEST)))
