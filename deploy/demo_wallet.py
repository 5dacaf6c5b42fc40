"""A member's wallet in the demo: it keeps its key in memory, and signs for the devnet only.

    devnet = DevnetNode("http://127.0.0.1:20443")      # NotTheDevnet for any other node
    wallet = DemoWallet(devnet)
    devnet.fund(wallet.address)
    wallet.answer(api.post("/v1/me/wallet-challenges", {"principal": wallet.text}))
    wallet.send(api.post("/v1/me/calls/energy-token.retire", {...}))

Members' keys are their own: this is the one place where we hold any, they are worth
nothing, and nothing is written down. Like any good wallet it reads what it is asked to
sign: a challenge or an unsigned call is made again from its bytes, and what was told with
it has to be the same. It must never sign for a node that is not the devnet on this machine,
nor anything it did not understand to the last byte.
"""

import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.unsigned import Unsigned, read_unsigned
from meterseal_aggregator.stacks.calls.deployment import Call
from meterseal_aggregator.stacks.transaction import (
    TESTNET_CHAIN,
    AccountKey,
    Mode,
    Network,
    Signed,
)
from meterseal_aggregator.stacks.wallet.handout import handout
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.errors import Malformed
from meterseal_proto.loopback import is_loopback
from meterseal_proto.wallet import Challenge

NETWORK: Final = Network.of(TESTNET_CHAIN)
SERVER: Final = "meterseal-devnet (simnet)"
"""As the devnet calls itself (contracts/devnet/routes.mjs); no other node does."""
MAX_FEE: Final = 1_000_000
"""micro-STX: as much as the aggregator itself would pay."""
TIMEOUT_S: Final = 60.0
MAX_ANSWER: Final = 4 << 20
_OK: Final = 200

Told = Mapping[str, Any]  # Any: JSON


class NotTheDevnet(Exception):
    """The node is somewhere else, or another one: demo keys are worth nothing there."""


class Deceived(Exception):
    """What was to be signed is not what was told of it."""


class DevnetNode:
    """The devnet of contracts/ on this machine; raises NotTheDevnet for any other node."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
            raise NotTheDevnet(f"{url} is not on this machine")
        self._host, self._port = parts.hostname or "", parts.port or 80
        self.check()

    def check(self) -> None:
        """Raise NotTheDevnet unless what listens there is the devnet, now."""
        try:
            called = self.ask("GET", "/extended")["server_version"]
            chain = self.ask("GET", "/v2/info")["network_id"]
            born = self.ask("GET", "/devnet")["genesis_time"]
        except (OSError, HTTPException, KeyError, TypeError, ValueError) as error:
            raise NotTheDevnet(f"no devnet answers there: {error}") from None
        if (called, chain) != (SERVER, TESTNET_CHAIN) or not isinstance(born, int):
            raise NotTheDevnet("a node answers there that is not the devnet")

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:  # JSON
        """Return what it answers; ValueError with its words where that is no success."""
        # Neither a proxy of the environment nor a redirect may lead elsewhere.
        line = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        kind = {"content-type": "application/octet-stream"} if body else {}
        try:
            line.request(method, path, body, kind)
            reply = line.getresponse()
            content = reply.read(MAX_ANSWER)
        finally:
            line.close()
        if reply.status != _OK:
            raise ValueError(f"{path}: {content[:300].decode(errors='replace')}")
        return json.loads(content)

    def fund(self, who: Address) -> str:
        """Let the faucet send 500 STX; returns the transaction's id, which waits for a block."""
        asked = f"/extended/v1/faucets/stx?address={who.text()}"
        return str(self.ask("POST", asked)["txId"]).removeprefix("0x")

    def send(self, signed: Signed) -> str:
        """Hand a transaction in; returns its id."""
        told = str(self.ask("POST", "/v2/transactions", signed.raw))
        if told.removeprefix("0x") != signed.txid:
            raise ValueError(f"the devnet calls it {told}, we {signed.txid}")
        return signed.txid

    def names(self, contract: Principal, function: str) -> list[str]:
        """Return the names of a function's arguments, as the contract itself has them."""
        where = f"{contract.address.text()}/{contract.name}"
        found = self.ask("GET", f"/v2/contracts/interface/{where}")
        for one in found["functions"]:
            if one["name"] == function and one["access"] == "public":
                return [str(argument["name"]) for argument in one["args"]]
        raise Deceived(f"{contract.text()} has no public function {function}")


class DemoWallet:
    """One key of the demo: a fresh one, or one that the devnet publishes."""

    def __init__(self, devnet: DevnetNode, key: AccountKey | None = None) -> None:
        self.devnet = devnet
        self._key = key or AccountKey(os.urandom(32))

    @property
    def address(self) -> Address:
        """The account's address."""
        return self._key.address(NETWORK)

    @property
    def text(self) -> str:
        """The address as wallets show it."""
        return self.address.text()

    def answer(self, told: Told) -> dict[str, str]:
        """Sign a challenge; returns the body of `POST /v1/me/wallets`. Raises Deceived."""
        self.devnet.check()
        asked = Challenge(
            bytes.fromhex(told["network"]), told["member"],
            Principal.parse(told["principal"]), bytes.fromhex(told["nonce"]),
            told["expires"],
        )  # fmt: skip
        again = asked.message().hex(), asked.domain(TESTNET_CHAIN).hex()
        if again != (told["message"], told["domain"]):
            raise Deceived("the challenge's bytes are not of what is told of it")
        if asked.principal != Principal(self.address):
            raise Deceived("a challenge for another account")
        signature = asked.sign(self._key.secret, TESTNET_CHAIN)
        return {"nonce": told["nonce"], "signature": signature.hex()}

    def sign(self, told: Told) -> Signed:
        """Sign a call that was handed out, once its words are of its bytes; else Deceived."""
        self.devnet.check()
        try:
            found = read_unsigned(bytes.fromhex(told["unsigned"]))
        except (KeyError, TypeError, ValueError, Malformed) as error:
            raise Deceived(f"no call of ours: {error}") from None
        self._is_mine(found)
        names = self.devnet.names(found.call.contract, found.call.function)
        self._is_told(found, names, told)
        return found.transaction.signed(self._key)

    def send(self, told: Told) -> str:
        """Sign and hand in; returns the transaction's id. Raises Deceived, ValueError."""
        return self.devnet.send(self.sign(told))

    def _is_mine(self, found: Unsigned) -> None:
        wish = found.transaction
        if found.signer != self.address.hash:
            raise Deceived("a transaction of another account")
        if (wish.network, wish.mode) != (NETWORK, Mode.DENY):
            raise Deceived(
                "a transaction of another chain, or one that lets things move"
            )
        if wish.fee > MAX_FEE:
            raise Deceived(f"a fee above {MAX_FEE} micro-STX")

    def _is_told(self, found: Unsigned, names: list[str], told: Told) -> None:
        """Make request and words again from the bytes; raises Deceived where they differ."""
        called, wish = found.call, found.transaction
        if len(names) != len(called.arguments):
            raise Deceived(f"{called.function} takes {len(names)} arguments")
        arguments = dict(zip(names, called.arguments, strict=True))
        call = Call(called.contract, called.function, arguments, found.conditions)
        again = handout(call, self.address, NETWORK, wish.nonce, wish.fee)
        if list(again.words) != told.get("words"):
            raise Deceived("the words are not those of the bytes")
        if dict(again.request) != told.get("request"):
            raise Deceived("the request is not that of the bytes")
