"""Members of the street with wallets of their own: what they sign, they were handed by the API.

    members = join(street, devnet, {"seller": 3, "buyer": 0})
    await act(walk, members["seller"], "energy-token.retire", {...}, "why")

Nobody keeps a member's key but his wallet, which reads what it signs. This module must
never sign anything, nor send what a member's own wallet did not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.api import Api
from deploy.demo_wallet import DemoWallet, DevnetNode
from deploy.people import meet
from deploy.processes import Program
from deploy.story.walk import Walk
from deploy.street import READY_WITHIN_S, Street, agent_main
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Value

BIND: Final = "bind"


@dataclass(frozen=True, slots=True)
class Member:
    """A home's member: the API as he sees it, his wallet, his meter point and meter."""

    name: str
    home: int
    api: Api
    wallet: DemoWallet
    point: int
    meter: str

    @property
    def principal(self) -> Principal:
        """His account on the chain."""
        return Principal(self.wallet.address)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a home's agent signed for the chain: its meter, its key, from which seal on."""

    meter: bytes
    key: bytes
    from_seq: int
    signature: bytes


def join(street: Street, devnet: str, parts: Mapping[str, int]) -> dict[str, Member]:
    """Give the members of these homes a wallet each, funded, and linked by its signature."""
    node = DevnetNode(devnet)
    meters = {row["serial"]: row["meter"] for row in street.api.pages("/v1/meters")}
    found = {}
    for name, who in meet(street, parts).items():
        wallet = DemoWallet(node)
        node.fund(wallet.address)
        _link(who.api, wallet)
        meter = meters[str(street.meters[who.home]["serial"])]
        found[name] = Member(name, who.home, who.api, wallet, who.point, meter)
    return found


def _link(api: Api, wallet: DemoWallet) -> None:
    asked = api.post("/v1/me/wallet-challenges", {"principal": wallet.text})
    api.post("/v1/me/wallets", wallet.answer(asked))


def bound(street: Street, member: Member) -> Bound:
    """Let the home's agent sign that its meter is the member's on the chain."""
    log: Path = street.processes.log(BIND)
    log.unlink(missing_ok=True)
    arguments = (
        "bind", "--json", "--config", str(street.plan.folder / f"agent-{member.home:02d}.toml"),
        "--meter", str(street.meters[member.home]["serial"]), "--owner", member.wallet.text,
    )  # fmt: skip
    street.processes.run(Program(BIND, agent_main(), arguments), READY_WITHIN_S)
    told = json.loads(log.read_text().splitlines()[-1])
    return Bound(
        bytes.fromhex(told["meter"]), bytes.fromhex(told["key"]), int(told["from_seq"]),
        bytes.fromhex(told["signature"]),
    )  # fmt: skip


async def act(
    walk: Walk, who: Member, function: str, arguments: Mapping[str, Any], note: str
) -> Value:  # Any: JSON
    """Let a member call a function with his own wallet; returns what it answered."""
    told = who.api.post(f"/v1/me/calls/{function}", {"arguments": dict(arguments)})
    return await walk.seen(who.name, function, who.wallet.send(told), note)
