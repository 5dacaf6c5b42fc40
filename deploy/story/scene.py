"""Where a story plays: contracts, people, and meters that seal as real ones do.

The meters' log is the story's own (`deploy.chain_meters`), and so are its contracts: what
is made up must never be anchored among what a network's aggregator logs, nor counted
beside the energy that it certified.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from deploy.chain_meters import CHAIN_ID, Json, Street
from deploy.story.house import House
from deploy.story.walk import Person, Stumbled, Walk
from meterseal_aggregator.stacks.calls import oracle
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Reading, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.outbox.run import Account
from meterseal_proto import recovery
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Value
from meterseal_proto.curve import ORDER
from meterseal_proto.enrolment import Genesis
from meterseal_proto.seal import OpenRecord, parse_header

T = TypeVar("T")

HOUR: Final = 3_600
DAY: Final = 86_400
PARTS: Final[Mapping[str, str]] = {
    "admin": "deployer",
    "seller": "wallet_1",
    "neighbour": "wallet_2",
    "buyer": "wallet_3",
    "home": "wallet_4",
    "provider": "wallet_5",
    "certifier": "wallet_6",
    "issuer": "wallet_6",
    "arbiter": "wallet_7",
    "oracle": "wallet_8",
}
"""Who plays whom, by the devnet's names of its accounts; one of them plays two."""
TRUSTEES: Final = 3
GENESIS: Final = Genesis(CHAIN_ID, "STORY.user-registry", "story+00+AA")
"""The network whose meters the story makes up: nobody else's log, registry or key."""


@dataclass(frozen=True, slots=True)
class Trades:
    """The numbers of the trades, by their fate; `window` ends the offer's hour."""

    delivered: int
    regretted: int
    forgotten: int
    disputed: int
    released: int
    argued: int
    window: int


@dataclass(slots=True)
class Scene:
    """One story: `network` is the id that its headers carry, 32 bytes.

    `house` is billed for a month, `flats` for its last days, each by its meter's name.
    """

    walk: Walk
    at: Deployment
    people: Mapping[str, Person]
    network: bytes
    street: Street
    anchored: bytes = b""
    keys: dict[str, bytes] = field(default_factory=dict)
    evidence: Json = field(default_factory=dict)
    trades: Trades | None = None
    house: House | None = None
    flats: dict[str, House] = field(default_factory=dict)

    def who(self, name: str) -> Principal:
        """Return somebody's principal."""
        return self.people[name].principal

    def now(self) -> int:
        """What the chain's clock shows, Unix seconds."""
        return self.walk.chain.now()

    async def does(self, name: str, call: Call, note: str = "") -> Value:
        """Let somebody do what has to succeed; returns its value."""
        return await self.walk.does(self.people[name], call, note)

    async def refused(self, name: str, call: Call, code: int, note: str) -> None:
        """Let somebody do what the contract has to refuse."""
        await self.walk.refused(self.people[name], call, code, note)

    async def sees(
        self, function: str, arguments: tuple[Value, ...], wanted: Value, note: str
    ) -> None:
        """Hold what a read-only function answers to what it has to."""
        await self.walk.sees(self.at, function, arguments, wanted, note)

    async def anchor(self) -> None:
        """Anchor the story's log as it is."""
        found = self.street.checkpoint({})
        size, self.anchored = int(str(found["size"])), raw(found, "root")
        call = oracle.anchor(self.at, size, self.anchored)
        await self.does("oracle", call, f"{size} entries")

    def meter(self, name: str) -> bytes:
        """Return the id of the meter of a name, 16 bytes; its key is kept in `keys`."""
        found = self.street.meter({"meter": name})
        self.keys[name] = raw(found, "key")
        return raw(found, "meter")

    def binding(self, name: str, owner: Principal) -> bytes:
        """Return the meter's signature that it is `owner`'s, from its first seal on."""
        wish = Binding(self.network, self.meter(name), owner, 1)
        return wish.sign(self.street.meters[name].key, CHAIN_ID)

    def sealed(self, seal: Json, name: str) -> Sealed:
        """Return a seal of the meter of a name as contracts take it."""
        digest, signature = raw(seal, "hash"), raw(seal, "signature")
        whole = recovery.named(digest, signature, self.keys[name])
        return Sealed(parse_header(raw(seal, "header")), whole)

    def place(self, seal: Json) -> LogPlace:
        """Return where the anchored log has a seal."""
        path = self.street.prove({"index": seal["index"]})["path"]
        return LogPlace(index(seal), hashes(path), self.anchored)


def people(accounts: Mapping[str, Account], **others: str) -> dict[str, Person]:
    """Return who plays by the devnet's accounts; `others` changes who plays whom."""
    return {
        name: Person(name, accounts[account])
        for name, account in (dict(PARTS) | others).items()
    }


def trustee_secrets() -> list[bytes]:
    """Return the three trustees' keys of the story, made up like everything here."""
    drawn = [
        hashlib.sha256(f"story trustee {n}".encode()).digest() for n in range(TRUSTEES)
    ]
    return [(int.from_bytes(one) % ORDER).to_bytes(32) for one in drawn]


def digest(text: str) -> bytes:
    """Return the hash that stands for a text kept elsewhere."""
    return hashlib.sha256(text.encode()).digest()


def raw(found: Json, name: str) -> bytes:
    """Return the bytes that travel as hex under a name."""
    return bytes.fromhex(str(found[name]))


def index(seal: Json) -> int:
    """Return a seal's place in the story's log."""
    return int(str(seal["index"]))


def hashes(path: object) -> tuple[bytes, ...]:
    """Return a path's hashes from their hex."""
    assert isinstance(path, list)
    return tuple(bytes.fromhex(str(one)) for one in path)


def readings(seal: Json) -> list[Reading]:
    """Return an open seal's readings as contracts take them."""
    rows = seal["records"]
    assert isinstance(rows, list)
    return [
        Reading(OpenRecord(**row["record"]), raw(row, "salt"), hashes(row["path"]))
        for row in rows
    ]


def some(value: T | None, what: str) -> T:
    """Return what a chapter before left; raises Stumbled where it left nothing."""
    if value is None:
        raise Stumbled(f"{what}: a chapter before was not told")
    return value
