"""How a community begins on the chain: roles, users, certified producers, bound meters.

What somebody is called is hashed with a salt elsewhere; this module must never put a name
or an address of anybody into a call.
"""

from typing import Final

from deploy.story.scene import HOUR, Scene, digest, trustee_secrets
from meterseal_aggregator.stacks.calls import (
    aggregation,
    certification,
    escrow,
    oracle,
    registry,
    roles,
)
from meterseal_aggregator.stacks.transaction import AccountKey

KINDS: Final = {
    "seller": registry.register_producer,
    "neighbour": registry.register_producer,
    "buyer": registry.register_consumer,
    "home": registry.register_consumer,
    "provider": registry.register_provider,
}
CAPACITIES: Final = {"seller": 9_800, "neighbour": 5_000}
"""Watts."""
FEE: Final = 1_000_000
"""What the contract asks for an application, micro-STX."""
METERS: Final = {
    "panel": "seller",
    "roof": "neighbour",
    "house": "home",
    "flat": "buyer",
    "shed": "neighbour",
}


async def network(scene: Scene) -> None:
    """Fix the network's id, hand out the roles; the oracle's place is offered and taken."""
    at, who = scene.at, scene.who
    scene.walk.chapter("The network, and who holds which role")
    await scene.does("admin", registry.set_network(at, scene.network))
    await scene.does("admin", escrow.set_treasury(at, who("admin")))
    await scene.does("admin", oracle.offer_oracle(at, who("oracle")))
    await scene.does("oracle", oracle.accept_oracle(at))
    await scene.does(
        "admin", certification.authorise_certifier(at, who("certifier"), 3)
    )
    await scene.does("admin", roles.grant(at, "arbiter", who("arbiter")))
    keys = [AccountKey(secret).public for secret in trustee_secrets()]
    await scene.does("admin", aggregation.set_trustees(at, *keys))


async def users(scene: Scene) -> None:
    """Register five users; the registrar verifies them."""
    at = scene.at
    scene.walk.chapter("Users register, and the registrar verifies them")
    own = roles.grant(at, "registrar", scene.who("seller"))
    await scene.refused("seller", own, 10, "only the admin hands roles out")
    for name, register in KINDS.items():
        await scene.does(name, register(at, digest(f"profile of {name}")))
    again = registry.register_consumer(at, digest("again"))
    await scene.refused("buyer", again, 102, "once each")
    for name in KINDS:
        verified = registry.verify_user(at, scene.who(name), verified=True)
        await scene.does("admin", verified)


async def producers(scene: Scene) -> None:
    """Certify two producers, and record what one of them made."""
    at, who = scene.at, scene.who
    scene.walk.chapter("Producers are certified for their capacity")
    for name, watts in CAPACITIES.items():
        asked = certification.apply_for_certification(at, watts, "solar", FEE)
        await scene.does(name, asked)
        await scene.does("certifier", certification.certify_producer(at, who(name)))
    scene.walk.later(HOUR, "an hour of sun")
    end = scene.now() - 60
    made = certification.record_production
    await scene.does("oracle", made(at, who("seller"), 5_000, end - 3_000, end))
    never = made(at, who("seller"), 900_000, end, end + 30)
    await scene.refused("oracle", never, 209, "no panel makes so much")
    await scene.does("admin", certification.withdraw_fees(at, FEE, who("home")))


async def meters(scene: Scene) -> None:
    """Bind five meters: owner, registrar and seal key agree."""
    at = scene.at
    scene.walk.chapter("Meters are bound by owner, registrar and seal key together")
    for name, owner in METERS.items():
        meter, principal = scene.meter(name), scene.who(owner)
        asked = registry.request_meter(at, meter, scene.keys[name], 1, p256=False)
        await scene.does(owner, asked)
        signature = scene.binding(name, principal)
        await scene.does("admin", registry.bind_meter(at, meter, principal, signature))
