"""An aggregator small enough for a test: intake's own rules, heads in a dict.

It accepts by `intake.accept`, answers with signed receipts, and remembers every
payload it was shown, so a test can ask what was counted and whether any sequence
number ever stood over two payloads.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_agent.outbox.model import Start
from meterseal_aggregator.intake.accept import Chain, Fate, Offer
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_aggregator.registry.model import Claim, KeyValidity
from meterseal_proto.committed_message import decode_any
from meterseal_proto.enrolment import Genesis, RegisterStart, enrolment_hash
from meterseal_proto.errors import Reason
from meterseal_proto.keys import PublicKey
from meterseal_proto.receipt import Answer, Receipt, Refusal, sign_receipt
from meterseal_proto.seal import MODE_COMMITTED, MODE_OPEN, Head, Seal
from meterseal_proto.units import EXPORT, IMPORT, MeterId, RegisterId

GENESIS: Final = Genesis(chain_id=0x80000000, registry="ST000.registry", log_key="log")
NETWORK: Final = GENESIS.network
AGENT: Final = "a1"
STEP: Final = 900
BEGAN: Final = 1_700_000_100 - 1_700_000_100 % 3600
CAPACITY_W: Final = 10_000
VALUE: Final = 1_000


def start(
    public: PublicKey, number: int = 1, register: RegisterId = IMPORT, step: int = STEP
) -> Start:
    """Return an enrolled register of meter `number`, value VALUE at BEGAN."""
    meter = MeterId(number.to_bytes(16))
    begin = RegisterStart(register, step, VALUE, BEGAN)
    link = enrolment_hash(NETWORK, meter, begin, public)
    return Start(meter, register, step, CAPACITY_W, Head(0, link, BEGAN, VALUE))


def starts(public: PublicKey, meters: int) -> list[Start]:
    """Return import and export of `meters` meters."""
    return [
        start(public, number, register)
        for number in range(1, meters + 1)
        for register in (IMPORT, EXPORT)
    ]


def claim(number: int, one: Start, public: PublicKey) -> Claim:
    """Return what the registry would say of a register: one key, good for every seq."""
    head = one.head
    return Claim(
        *(number, one.meter, one.register, AGENT, one.step, one.capacity_w),
        *(head.hash, head.value, head.end),
        keys=(KeyValidity(public, 1, None),),
        mode=MODE_COMMITTED if one.bits else MODE_OPEN,
        bits=one.bits,
    )


@dataclass(slots=True)
class Oracle:
    """Takes payloads, answers with receipts; it lives at `now`, or by its `clock`."""

    public: PublicKey
    now: int = BEGAN + 30 * 86_400
    clock: Callable[[], float] | None = None
    genesis: Genesis = GENESIS
    receipts_of: bytes | None = None
    """The network its receipts name, when that is to be another one."""
    receipts_to: str = AGENT
    """The agent its receipts name."""
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    chains: dict[tuple[bytes, int], Chain] = field(default_factory=dict)
    shown: dict[tuple[bytes, int, int], set[bytes]] = field(default_factory=dict)
    counted: dict[tuple[bytes, int], int] = field(default_factory=dict)
    accepted: int = 0
    reasons: list[Reason] = field(default_factory=list)

    def enrol(self, found: Iterable[Start]) -> None:
        """Take up registers."""
        for n, one in enumerate(found):
            key = (one.meter, one.register)
            self.chains[key] = Chain.of(claim(n, one, self.public), None)

    def judge(self, payload: bytes, agent: str = AGENT) -> Answer | Refusal:
        """Return the answer to one payload on `agent`'s topic, having moved the head."""
        if self.clock is not None:
            self.now = int(self.clock())
        seal = decode_any(payload, self.genesis.network)
        header = seal.header
        digest = header.digest(self.genesis.chain_id)
        place = (header.meter, header.register, header.seq)
        self.shown.setdefault(place, set()).add(payload)
        offer = Offer(agent, payload, seal, header.consensus(), digest)
        chain = self.chains[header.meter, header.register]
        verdict = chain.before(offer, self.now)
        if verdict is None:
            good = self.public.verify(digest, seal.signature)
            verdict = chain.after(offer, None if good else Reason.BAD_SIGNATURE)
        if verdict.fate is Fate.ACCEPTED:
            self.accepted += header.count
            if isinstance(seal, Seal):
                wh = sum(record.delta for record in seal.records)
                before = self.counted.get(place[:2], 0)
                self.counted[place[:2]] = before + wh
        if verdict.reason is None:
            return Answer(*place, digest)
        self.reasons.append(verdict.reason)
        return Refusal(*place, digest, verdict.reason)

    def receipt(self, answers: Iterable[Answer | Refusal]) -> bytes:
        """Return the answers as a signed receipt."""
        found = list(answers)
        receipt = Receipt(
            self.receipts_of or self.genesis.network,
            self.receipts_to,
            self.now + 60,
            tuple(a for a in found if isinstance(a, Answer)),
            tuple(a for a in found if isinstance(a, Refusal)),
        )
        return sign_receipt(receipt, self.key)

    def take(self, payloads: Iterable[bytes]) -> bytes:
        """Judge payloads and return the receipt."""
        return self.receipt([self.judge(payload) for payload in payloads])

    async def deliver(self, batch: Sequence[Incoming]) -> Sequence[Reply]:
        """The same behind the intake's port."""
        return [Reply(one.agent, self.take([one.payload])) for one in batch]
