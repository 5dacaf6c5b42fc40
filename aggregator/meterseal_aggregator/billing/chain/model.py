"""The nouns of bills on the chain: who signs, what was asked, why something is not asked.

Pure. Money is in micro-units of the bill's asset, usage in Wh (or litres); a real second is
the chain's, a network second that of bills. This module must never know a table or a node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import AccountCode, Asset
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.transaction import Asset as Token
from meterseal_proto.c32 import Principal
from meterseal_proto.chaintariff import Terms
from meterseal_proto.enrolment import Genesis

NATIVE: Final = Asset("STX")
"""The asset that is no token."""
PROVIDER: Final = AccountCode("chain:provider")
"""What the provider's account on the chain was paid, as events tell."""
BILLED: Final = AccountCode("chain:billed")
"""The other side of what was billed there."""
QUOTED: Final = AccountCode("chain:quoted")
"""Where a payment in another asset changes into the bill's, at a quote."""


class Trouble(StrEnum):
    """Why a bill is not brought onto the chain, in the order in which it is asked."""

    UNKNOWN = "no-such-bill"
    RAIL = "other-rail"
    STATE = "bill-state"
    """Taken back, or it asks for nothing."""
    NOT_OPENED = "not-opened"
    """No device opened this bill's period: there is nothing to compute from."""
    DAYS = "too-many-days"
    WALLET = "not-your-wallet"
    OPENING = "opening-wrong"
    """It does not open the sum of the period's days to this usage."""
    TARIFF = "not-on-chain"
    """The contract cannot compute the tariff, or does not hold it since the period began."""
    GUARD = "above-verified-usage"
    """The contract would refuse it: more than its tariff gives for this usage."""
    ASKED = "asked-otherwise"
    """The bill is on its way there with another opening or payer."""
    ASSET = "other-asset"


class NotAsked(Exception):
    """A bill is not brought onto the chain: a `trouble` of the closed list, and what to do."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Till:
    """Whose contracts, who provides and who relays (addresses), which tokens are taken.

    `tokens` are ledger assets by name; STX is always taken and is none of them. `genesis`
    is the network's, `due_s` the seconds that the contract gives to pay.
    """

    genesis: Genesis
    contracts: Deployment
    provider: Principal
    relayer: str
    tokens: Mapping[Asset, Token]
    due_s: int

    def terms(self, asset: Asset) -> Terms:
        """Return what a tariff in an asset does not say; raises NotAsked as `token`."""
        token = self.token(asset)
        contract = None if token is None else token.contract
        return Terms(self.provider, contract, self.due_s)

    def token(self, asset: Asset) -> Token | None:
        """Return an asset's token, None for STX; raises NotAsked for one that is not taken."""
        if asset == NATIVE:
            return None
        if asset not in self.tokens:
            raise NotAsked(Trouble.ASSET, f"{asset} is not paid on the chain here")
        return self.tokens[asset]

    def named(self, contract: Principal | None) -> Asset | None:
        """Return the ledger's name of a token's contract; None for one we do not take."""
        if contract is None:
            return NATIVE
        for asset, token in self.tokens.items():
            if token.contract == contract:
                return asset
        return None


@dataclass(frozen=True, slots=True)
class Moment:
    """One second by two clocks: the network's, and the real one, which the chain keeps."""

    network: int
    real: int


@dataclass(frozen=True, slots=True)
class OpenWish:
    """A member's own act: his bill's usage is opened on the chain, for ever, and paid there.

    `usage`, `z` and `a` open the sum of the days' commitments (`chainproof.Opening`);
    `payer` is the account the meter is bound to.
    """

    member: int
    number: str
    payer: Principal
    usage: int
    z: bytes
    a: bytes


@dataclass(frozen=True, slots=True)
class ChainBill:
    """A bill that its member opened: `number`, `due_at`, `amount` are the contract's.

    None until it told of them. `asked` is what was asked; `paid` what came, less refunds.
    """

    id: int
    bill: int
    member: int
    private_bill: int
    register: int
    meter: bytes
    payer: str
    begin: int
    end: int
    usage: int
    z: bytes
    a: bytes
    tariff: bytes
    asset: Asset
    asked: int
    number: int | None
    due_at: int | None
    amount: int | None
    paid: int
    reward: int
    held: bool

    @property
    def outstanding(self) -> int:
        """What the contract still asks for; 0 before it told of the bill."""
        return max(0, (self.amount or 0) - self.paid)

    @property
    def excess(self) -> int:
        """What was paid above a bill that was lowered."""
        return max(0, self.paid - (self.amount or 0)) if self.number else 0


@dataclass(frozen=True, slots=True)
class ChainTariff:
    """A tariff on totals under the contract's name of it; `posted` once it told so."""

    hash: bytes
    tariff: bytes
    document: bytes
    provider: str
    due: int
    begin: int
    posted: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """What is taken for a bill in another asset until `expires` (real), all of `covers`."""

    asset: Asset
    price: int
    covers: int
    expires: int


def owed(member: int) -> AccountCode:
    """Return the account of what a member owes on the chain, as its events tell."""
    return AccountCode(f"chain:arrears.{member}")
