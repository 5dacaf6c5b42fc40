"""The table of the chain: whose nodes, whose contracts, and which files hold our keys.

This module must never read a key.
"""

from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from meterseal_aggregator.billing.chain.model import NATIVE
from meterseal_aggregator.config.tables import Table
from meterseal_aggregator.ledger.chart import is_money
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.stacks.outbox.accounts import ChainRole
from meterseal_aggregator.stacks.outbox.plan import DEPTH, MAX_DEPTH
from meterseal_aggregator.stacks.transaction import Asset as Token
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.loopback import is_loopback

MAX_FEE: Final = 100_000_000
"""100 STX for one transaction: whoever writes more has mistaken the unit."""
MAX_TOKENS: Final = 8
"""Stablecoins one network takes; more are confusion."""


class Stacks(Table):
    """The chain: one node's RPC or two that must agree, and whose transactions we sign.

    `contracts` is the address that published ours, `key_file` holds the oracle's secret
    key in hex, 0600, and `[stacks.keys]` those of further roles; a file may serve several.
    `former_keys` finish what they signed before others took their place. A transaction
    pays at most `fee_cap` micro-STX; a block counts when `depth` others lie over it.
    `tokens` are what bills may be paid in besides STX: the ledger's name of each, and
    "ADDRESS.contract::token" (SIP-010).
    """

    nodes: tuple[str, ...] = Field(min_length=1, max_length=2)
    contracts: str
    key_file: Path
    keys: dict[ChainRole, Path] = Field(default_factory=dict)
    former_keys: tuple[Path, ...] = Field(default=(), max_length=20)
    fee_cap: int = Field(default=1_000_000, gt=0, le=MAX_FEE)
    tokens: dict[str, str] = Field(default_factory=dict, max_length=MAX_TOKENS)
    depth: int = Field(default=DEPTH, ge=1, le=MAX_DEPTH)

    @model_validator(mode="after")
    def _oracle_has_one_key(self) -> Self:
        if ChainRole.ORACLE in self.keys:
            raise ValueError("the oracle's key is key_file, not one of [stacks.keys]")
        return self

    @model_validator(mode="after")
    def _tokens_are_named(self) -> Self:
        for name in self.tokens:
            if not is_money(Asset(name)) or name == NATIVE:
                raise ValueError(
                    f"tokens: {name!r} is 2 to 12 capitals, and not {NATIVE}"
                )
        self.payable()
        return self

    def payable(self) -> dict[Asset, Token]:
        """Return the tokens by the ledger's name; ValueError for one spelled otherwise."""
        return {Asset(name): _token(text) for name, text in self.tokens.items()}

    @model_validator(mode="after")
    def _wires_are_safe(self) -> Self:
        Address.parse(self.contracts)
        for url in self.nodes:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"node {url}: write https://HOST")
            if parts.username is not None or parts.query or parts.fragment:
                raise ValueError("a node is https://HOST, without names or questions")
            if parts.port == 0:  # raises ValueError itself for what is no port
                raise ValueError("a node is https://HOST:PORT, from port 1 on")
            if parts.scheme == "http" and not is_loopback(parts.hostname):
                raise ValueError(f"node {url} is not this machine: write https://")
        if len(set(self.nodes)) < len(self.nodes):
            raise ValueError("two nodes that must agree are not the same one")
        return self


def _token(text: str) -> Token:
    contract, _, name = text.partition("::")
    principal = Principal.parse(contract)
    if not principal.name or not name:
        raise ValueError(f"tokens: {text!r}: write ADDRESS.contract::token")
    return Token(principal, name)
