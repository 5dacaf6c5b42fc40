"""Our contracts as one address published them, and a call of one with all that it may move.

    house = Deployment(Address.parse("ST1PQH..."))
    call = oracle.anchor(house, size=4711, root=root)
    Transaction(TESTNET, nonce, fee, call.payload, call.conditions)    # Deny mode

Arguments keep the contract's names, so that whoever is asked to sign can be told what. A
call names every asset it may move and how much of it; nothing else moves in Deny mode.
Pure. This module must never know a key, a nonce or a fee.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.transaction import Asset, Condition, ContractCall
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import Value

_NOTHING: Final[Mapping[str, Value]] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """A public function with its arguments by name, in order, and what it may move."""

    contract: Principal
    function: str
    arguments: Mapping[str, Value]
    conditions: tuple[Condition, ...]

    @property
    def payload(self) -> ContractCall:
        """What a transaction carries."""
        values = tuple(self.arguments.values())
        return ContractCall(self.contract, self.function, values)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The contracts under the address that published them."""

    address: Address

    def contract(self, name: str) -> Principal:
        """Return the contract of this name, e.g. `energy-oracle`."""
        return Principal(self.address, name)

    @property
    def energy(self) -> Asset:
        """Wh, by the unit."""
        return Asset(self.contract("energy-token"), "energy")

    @property
    def utility(self) -> Asset:
        """The members' token, by the millionth."""
        return Asset(self.contract("utility-token"), "utility")

    def call(
        self,
        function: str,
        arguments: Mapping[str, Value] = _NOTHING,
        *moves: Condition,
    ) -> Call:
        """Return the call of `CONTRACT.FUNCTION` that moves no more than `moves`."""
        contract, _, name = function.partition(".")
        return Call(self.contract(contract), name, arguments, moves)
