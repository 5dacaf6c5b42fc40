"""Our bindings on the devnet: each duty done by a signed transaction in Deny mode.

A condition that named too little would stop its own transaction, one that named too much
would let a wrong one through; both are tried. What is printed is read by our records.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from deploy.chain_meters import Street
from meterseal_aggregator.stacks.calls import (
    aggregation,
    billing,
    certification,
    disputes,
    escrow,
    governance,
    marketplace,
    meterdata,
    oracle,
    registry,
    reputation,
    roles,
    token,
)
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.events.reading import read
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import Escrow, Roots, Supply
from meterseal_aggregator.stacks.transaction import (
    TESTNET_CHAIN,
    AccountKey,
    Network,
    Transaction,
)
from meterseal_proto import recovery
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import Principal
from meterseal_proto.chaintariff import Terms
from meterseal_proto.clarity import (
    Err,
    Ok,
    Optional,
    UInt,
    Value,
    decode,
    encode,
)
from meterseal_proto.reporting import Place
from meterseal_proto.seal import parse_header
from meterseal_proto.tariff import MicroPerKwh
from meterseal_proto.totalstariff import UNLIMITED, Block, Kind, TotalsTariff
from tests.contracts.test_contracts import installed, need_node
from tests.support.devnet import Devnet, running

NETWORK = b"\x6d" * 32
TEST = Network.of(TESTNET_CHAIN)
FEE = 20_000
HOUR, DAY = 3_600, 86_400
EXPORT = 0x0100_0208_00FF
BROKEN = "abort_by_post_condition"
HASH = b"\x33" * 32


@dataclass
class Walk:
    """Accounts that sign, and a node they talk to as anybody would."""

    devnet: Devnet
    at: Deployment
    nonces: dict[int, int] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    done: set[str] = field(default_factory=set)

    def who(self, number: int) -> Principal:
        return Principal(self.devnet.keys[number].address(TEST))

    def ask(self, path: str, body: bytes | None = None) -> Any:  # Any: JSON
        kind = {"content-type": "application/octet-stream"}
        url = f"{self.devnet.url}{path}"
        asked = Request(url, data=body, headers=kind if body else {})  # noqa: S310
        with urlopen(asked, timeout=60) as reply:  # noqa: S310
            return json.loads(reply.read())

    def later(self, seconds: int) -> None:
        url = f"{self.devnet.url}/devnet/mine?seconds={seconds}"
        with urlopen(Request(url, method="POST"), timeout=120) as reply:  # noqa: S310
            reply.read()

    def reads(self, contract: str, function: str, *arguments: Value) -> Value:
        """Ask a read-only function."""
        place = f"{self.at.address.text()}/{contract}/{function}"
        url = f"{self.devnet.url}/v2/contracts/call-read/{place}"
        asked = {"sender": self.at.address.text()}
        hexes = [f"0x{encode(one).hex()}" for one in arguments]
        body = json.dumps(asked | {"arguments": hexes}).encode()
        kind = {"content-type": "application/json"}
        with urlopen(Request(url, data=body, headers=kind), timeout=60) as reply:  # noqa: S310
            return decode(bytes.fromhex(json.loads(reply.read())["result"][2:]))

    @property
    def now(self) -> int:
        return int(self.ask("/devnet")["time"])

    def sent(self, number: int, call: Call) -> tuple[str, Value]:
        """Sign, send and mine a call; answers the transaction's status and result."""
        key: AccountKey = self.devnet.keys[number]
        nonce = self.nonces.get(number)
        if nonce is None:
            nonce = self.ask(f"/v2/accounts/{self.who(number).text()}?proof=0")["nonce"]
        self.nonces[number] = nonce + 1
        signed = Transaction(TEST, nonce, FEE, call.payload, call.conditions).signed(
            key
        )
        assert self.ask("/v2/transactions", signed.raw) == signed.txid
        self.devnet.mine()
        found = self.ask(f"/extended/v1/tx/0x{signed.txid}")
        for event in found["events"]:
            if log := event.get("contract_log"):
                where = Principal.parse(log["contract_id"])
                value = decode(bytes.fromhex(log["value"]["hex"].removeprefix("0x")))
                self.told.append(read(self.at, where, value))
        result = bytes.fromhex(found["tx_result"]["hex"].removeprefix("0x"))
        return found["tx_status"], decode(result)

    def does(self, number: int, call: Call) -> Value:
        """Do what has to succeed; answers its value."""
        status, result = self.sent(number, call)
        assert status == "success", (call.function, status, result)
        assert isinstance(result, Ok)
        self.done.add(f"{call.contract.name}.{call.function}")
        return result.value

    def refused(self, number: int, call: Call, code: int) -> None:
        status, result = self.sent(number, call)
        assert (status, result) == ("abort_by_response", Err(UInt(code)))

    def broken(self, number: int, call: Call) -> None:
        """Do what its own conditions have to stop."""
        assert self.sent(number, call)[0] == BROKEN


ADMIN, SELLER, BUYER, HOME, PROVIDER, CERTIFIER, ORACLE = 0, 1, 3, 4, 5, 6, 8


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    need_node()
    installed()
    with running(tmp_path) as devnet:
        yield Walk(devnet, Deployment(devnet.keys[ADMIN].address(TEST)))


def number(value: Value) -> int:
    assert isinstance(value, UInt)
    return value.value


def begin(walk: Walk) -> None:
    at, who = walk.at, walk.who
    walk.does(ADMIN, registry.set_network(at, NETWORK))
    walk.does(ADMIN, escrow.set_treasury(at, who(ADMIN)))
    walk.does(ADMIN, oracle.offer_oracle(at, who(ORACLE)))
    walk.does(ORACLE, oracle.accept_oracle(at))
    walk.does(ADMIN, certification.authorise_certifier(at, who(CERTIFIER), 3))
    walk.refused(ORACLE, roles.grant(at, "registrar", who(ORACLE)), 10)
    walk.does(ADMIN, roles.grant(at, "court", who(CERTIFIER)))
    walk.does(SELLER, registry.register_producer(at, HASH))
    for one in (BUYER, HOME):
        walk.does(one, registry.register_consumer(at, HASH))
    walk.does(PROVIDER, registry.register_provider(at, HASH))
    for one in (SELLER, BUYER, HOME, PROVIDER):
        walk.does(ADMIN, registry.verify_user(at, who(one), verified=True))
    asked = certification.apply_for_certification
    walk.broken(SELLER, asked(at, 9_800, "solar", 999_999))
    walk.does(SELLER, asked(at, 9_800, "solar", 1_000_000))
    walk.does(CERTIFIER, certification.certify_producer(at, who(SELLER)))
    walk.broken(ADMIN, _other(certification.withdraw_fees(at, 1_000_000, who(HOME))))
    walk.does(ADMIN, certification.withdraw_fees(at, 1_000_000, who(HOME)))


def _other(call: Call) -> Call:
    """The same call when its wallet allows nothing to move."""
    return Call(call.contract, call.function, call.arguments, ())


def energy(walk: Walk) -> None:
    at, who, start = walk.at, walk.who, (walk.now // 900 - 8) * 900
    slot = token.Slot(1, EXPORT, start, start + 900)
    walk.does(ORACLE, token.mint(at, who(SELLER), slot, 0, 20_000))
    walk.refused(ORACLE, token.mint(at, who(SELLER), slot, 0, 20_000), 305)
    name = b"meterseal-mint" + NETWORK
    for part in (1, EXPORT, start):
        name += part.to_bytes(8)
    issued = hashlib.sha256(name).digest()
    walk.broken(ORACLE, token.reverse(at, issued, 0, 500, who(BUYER)))
    walk.does(ORACLE, token.reverse(at, issued, 0, 500, who(SELLER)))
    walk.does(SELLER, token.retire(at, 1_000, HASH, start, start + 900))
    walk.does(SELLER, token.transfer(at, 100, who(SELLER), who(HOME), b"for the tea"))


def market(walk: Walk) -> None:
    at, who = walk.at, walk.who
    walk.does(SELLER, marketplace.add_energy_for_sale(at, 5_000))
    walk.does(SELLER, marketplace.remove_energy_from_sale(at, 1_000))
    buy = marketplace.buy_energy_from_user(at, who(SELLER), 2_000, 300_000)
    walk.broken(BUYER, _other(buy))
    walk.does(BUYER, buy)
    walk.does(ADMIN, marketplace.fund_refunds(at, 500_000))
    walk.broken(BUYER, marketplace.refund_energy(at, 1_000, 90_001))
    walk.does(BUYER, marketplace.refund_energy(at, 1_000, 90_000))
    walk.does(ADMIN, marketplace.withdraw_commission(at, 100, who(HOME)))
    walk.does(ADMIN, marketplace.set_energy_price(at, 150_000))


def trades(walk: Walk) -> None:
    at, who, start = walk.at, walk.who, (walk.now // HOUR + 2) * HOUR
    listed = marketplace.list_offer(at, 200_000, 25_000, start, start + HOUR, None)
    offer = number(walk.does(SELLER, listed))
    opened = [
        number(walk.does(BUYER, escrow.open_trade(at, offer, 1_000, 250_000, None)))
        for _ in range(4)
    ]
    walk.refused(SELLER, escrow.open_trade(at, offer, 1_000, 250_000, None), 606)
    walk.broken(BUYER, escrow.cancel(at, opened[0], None, 199_999))
    walk.does(BUYER, escrow.cancel(at, opened[0], None, 200_000))
    walk.does(BUYER, escrow.settle(at, opened[1], 1_000, None, 200_000))
    walk.does(HOME, reputation.record_trade(at, opened[1]))
    walk.does(BUYER, reputation.rate(at, opened[1], 5, HASH))
    walk.later(start + HOUR + 60 - walk.now)
    walk.does(ORACLE, oracle.confirm_delivery(at, opened[2], 400, HASH))
    walk.broken(HOME, escrow.settle(at, opened[2], 400, None, 80_000))
    walk.does(HOME, escrow.settle(at, opened[2], 400, None, 200_000))
    asked = disputes.open_dispute(at, 1, opened[3], 300, HASH, 1_000_000)
    case = number(walk.does(BUYER, asked))
    walk.later(3 * DAY + 60)
    walk.does(HOME, disputes.resolve(at, case))
    walk.does(HOME, disputes.vote(at, case, grants=True))
    walk.later(3 * DAY + 60)
    walk.does(HOME, disputes.resolve(at, case))
    walk.later(3 * DAY + 60)
    walk.broken(HOME, disputes.finalise(at, case, 999_999))
    walk.does(HOME, disputes.finalise(at, case, 1_000_000))
    walk.does(SELLER, reputation.stake(at, 5_000_000))
    walk.does(CERTIFIER, reputation.slash(at, who(SELLER), 1_000_000, who(BUYER)))
    walk.does(SELLER, reputation.request_unstake(at, 4_000_000))
    walk.later(8 * DAY)
    walk.broken(SELLER, reputation.unstake(at, 3_999_999))
    walk.does(SELLER, reputation.unstake(at, 4_000_000))


def evidence(walk: Walk) -> None:
    at, street = walk.at, Street(NETWORK)
    house = street.meter({"meter": "house"})
    meter, key = bytes.fromhex(str(house["meter"])), bytes.fromhex(str(house["key"]))
    walk.does(HOME, registry.request_meter(at, meter, key, 1, p256=False))
    wish = Binding(NETWORK, meter, walk.who(HOME), 1)
    whole = wish.sign(street.meters["house"].key, TESTNET_CHAIN)
    walk.does(ADMIN, registry.bind_meter(at, meter, walk.who(HOME), whole))
    first = (walk.now // DAY - 2) * DAY
    asked = {"meter": "house", "register": "import", "first": first}
    day = street.day(asked | {"values": [40] * 96})
    size, root = street.checkpoint({}).values()
    anchored = bytes.fromhex(str(root))
    walk.does(ORACLE, oracle.anchor(at, int(str(size)), anchored))
    walk.refused(ORACLE, oracle.anchor(at, int(str(size)), anchored), 402)
    header = parse_header(bytes.fromhex(str(day["header"])))
    digest = bytes.fromhex(str(day["hash"]))
    seal = recovery.named(digest, bytes.fromhex(str(day["signature"])), key)
    proof = meterdata.submit_usage_proof(
        at, Sealed(header, seal), LogPlace(0, (), anchored)
    )
    walk.does(HOME, proof)
    walk.refused(HOME, proof, 1004)


def bills_and_votes(walk: Walk) -> None:
    at, who = walk.at, walk.who
    tariff = TotalsTariff(
        "flat", "STX", "UTC", walk.now + HOUR, Kind.FLAT,
        (Block(UNLIMITED, MicroPerKwh(250_000)),), 0,
    )  # fmt: skip
    terms = Terms(who(PROVIDER), None, 14 * DAY)
    walk.does(PROVIDER, billing.post_tariff(at, tariff, terms))
    walk.does(PROVIDER, billing.post_bill_hash(at, HASH))
    keys = [walk.devnet.keys[n].public for n in (1, 2, 3)]
    walk.does(ADMIN, aggregation.set_trustees(at, *keys))
    place = Place(NETWORK, "street/small", walk.now // DAY - 2)
    walk.does(ADMIN, aggregation.post_set(at, place, HASH, 20))
    asked = governance.Change("trade-fee", 50)
    made = governance.propose(
        at, governance.Kind.FEE, governance.Mode.MEMBERS, HASH, asked
    )
    proposal = number(walk.does(BUYER, made))
    for one, yes in ((BUYER, True), (HOME, True), (SELLER, False)):
        walk.does(one, governance.vote(at, proposal, 1, yes=yes, locks=False))
    walk.later(5 * DAY + HOUR)
    walk.does(HOME, governance.execute(at, proposal))
    walk.does(ADMIN, roles.pause(at, at.contract("marketplace")))
    walk.does(ADMIN, roles.resume(at, at.contract("marketplace")))
    walk.does(ADMIN, roles.set_parameter(at, "reward-rate", 200, walk.now + HOUR))


def test_our_bindings_do_the_duties_on_the_devnet(walk: Walk) -> None:
    for chapter in (begin, energy, market, trades, evidence, bills_and_votes):
        chapter(walk)
    assert len(walk.done) > 50
    mirrored(walk)
    assert len({type(one) for one in walk.told}) > 50


def mirrored(walk: Walk) -> None:
    """What was printed adds up to what the contracts say they hold."""
    supply, held, roots = Supply(), Escrow(), Roots()
    for one in walk.told:
        for mirror in (supply, held, roots):
            mirror.take(one)
    said = walk.reads("energy-token", "get-total-supply")
    assert said == Ok(UInt(supply.total)) != Ok(UInt(0))
    for who, wh in supply.balances.items():
        assert walk.reads("energy-token", "get-balance", who) == Ok(UInt(wh))
    assert walk.reads("trade-escrow", "get-held", Optional()) == UInt(held.held(None))
    assert walk.reads("trade-escrow", "get-trade-count") == UInt(held.last)
    assert walk.reads("energy-oracle", "get-anchor-count") == UInt(len(roots.anchors))
