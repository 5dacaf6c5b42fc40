"""The story's stablecoin: a SIP-010 token that an issuer publishes, and a member holds.

No contract of ours makes it: `payment` takes it because the admin allowed it, and the
aggregator because its `[stacks]` names it. This module must never be told on a chain whose
money is worth something: the token promises nothing.
"""

from dataclasses import dataclass
from typing import Final

from deploy.devnet import CONTRACTS
from deploy.story.scene import Scene
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.stacks.calls import payment
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import Asset as Token
from meterseal_aggregator.stacks.transaction import Condition, Deploy
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import NONE, Ok, UInt, Value

USD: Final = Asset("USD")
"""The ledger's name of it."""
NAME: Final = "stablecoin"
UNIT: Final = "usd"
SOURCE: Final = CONTRACTS / "devnet" / f"{NAME}.clar"
ISSUED: Final = 100_000_000
"""A hundred dollars, in millionths, for who pays in them."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A contract put on the chain, as a walk does deeds."""

    contract: Principal
    source: str
    function: str = "published"
    conditions: tuple[Condition, ...] = ()

    @property
    def payload(self) -> Deploy:
        """What a transaction carries."""
        assert self.contract.name is not None
        return Deploy(self.contract.name, self.source)


def coin(scene: Scene) -> Token:
    """Return the token: its contract, and its name there."""
    return Token(Principal(scene.who("issuer").address, NAME), UNIT)


async def published(scene: Scene) -> None:
    """Publish the stablecoin, give a member some, and let `payment` take it."""
    walk, issuer, token = scene.walk, scene.people["issuer"], coin(scene)
    walk.chapter("A stablecoin: published by its issuer, allowed for paying bills")
    await walk.does(issuer, Publication(token.contract, SOURCE.read_text()))
    await walk.does(issuer, _mint(scene, "buyer"), "a hundred dollars for the buyer")
    await walk.refused(scene.people["home"], _mint(scene, "home"), 5, "no issuer")
    await walk.refused(scene.people["home"], _taken(scene), 4, "not his to move")
    allow = payment.allow_asset(scene.at, token.contract, is_on=True)
    await scene.refused("provider", allow, 1400, "the admin's to allow")
    await scene.does("admin", allow)


async def holds(scene: Scene, name: str, wanted: int, note: str) -> None:
    """Hold what the token says that somebody has to what it has to be."""
    house = Deployment(coin(scene).contract.address)
    whom = (scene.who(name),)
    function = f"{NAME}.get-balance"
    await scene.walk.sees(house, function, whom, Ok(UInt(wanted)), note)


def _taken(scene: Scene) -> Call:
    """Return the call by which somebody would move what the buyer holds."""
    house = Deployment(coin(scene).contract.address)
    told: dict[str, Value] = {
        "amount": UInt(1),
        "sender": scene.who("buyer"),
        "recipient": scene.who("home"),
        "memo": NONE,
    }
    return house.call(f"{NAME}.transfer", told)


def _mint(scene: Scene, name: str) -> Call:
    house = Deployment(coin(scene).contract.address)
    told: dict[str, Value] = {
        "amount": UInt(ISSUED),
        "recipient": scene.who(name),
    }
    return house.call(f"{NAME}.mint", told)
