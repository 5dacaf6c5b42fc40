"""Every public function of our contracts is bound once, with its own types and errors.

`proto/vectors/interfaces.json` is what the simulated chain says it deployed
(`contracts/interfaces.mjs`); tests/contracts compares the two where Node is there.
"""

import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from meterseal_aggregator.stacks import calls
from meterseal_aggregator.stacks.calls import (
    arguments,
    billing,
    disputes,
    governance,
    moves,
    token,
)
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Reading, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.transaction import Asset, Condition
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.chainproof import Opening, Step
from meterseal_proto.chaintariff import Terms
from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.clarity import (
    UInt,
)
from meterseal_proto.reporting import Place
from meterseal_proto.seal import Header, OpenRecord
from meterseal_proto.tariff import MicroPerKwh
from meterseal_proto.totalstariff import UNLIMITED, Block, Kind, TotalsTariff
from meterseal_proto.units import MeterId, RegisterId
from tests.support.claritytypes import Type, admits

ROOT = Path(__file__).parents[2]
INTERFACES: Final[Mapping[str, Mapping[str, Type]]] = json.loads(
    (ROOT / "proto/vectors/interfaces.json").read_text()
)
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
WHO = Principal.parse("ST1SJ3DTE5DN7X54YDH5D64R3BCB6A2AG2ZQ8YPD5")
OTHER = Principal.parse("ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG")
COIN = Asset(Principal(AT.address, "coin"), "coin")
HEADER = Header(
    b"\x11" * 32, MeterId(b"\x22" * 16), RegisterId(0x0100_0208_00FF),
    900, 900, 1, 1, b"\x33" * 32, b"\x44" * 32, 1, 16, b"\x02" * 33,
)  # fmt: skip
SEALED = Sealed(HEADER, b"\x55" * 65)
LOGGED = LogPlace(7, (b"\x66" * 32,), b"\x77" * 32)
PLACE = Place(b"\x11" * 32, "street/small", 20_000)
TARIFF = TotalsTariff(
    "t", "STX", "UTC", 0, Kind.FLAT, (Block(UNLIMITED, MicroPerKwh(5)),), 0
)
STEP = Step(b"\x01" * 64, b"\x02" * 32, b"\x03" * 64, b"\x04" * 32)
BILL = billing.AskedBill(
    b"\x31" * 32, b"\x22" * 16, 9, 1000, 2000, (STEP,), Opening(5, b"\x32" * 32, b""), 6
)
SAMPLES: Final[Mapping[str, object]] = {
    "actor": WHO, "action": "deed", "amount": 1001, "anchored": 1002, "asked": 1003,
    "asset": COIN, "at": AT, "beneficiary": b"\x91" * 32, "bill": 1004,
    "bill_hash": b"\x92" * 32, "bond": 1005, "bonds": 1006, "buyer": WHO,
    "capacity": 1007, "change": governance.Change("trade-fee", 50, None),
    "comment": b"\x93" * 32, "delivered": 1008, "deviation": 1009, "end": 2010,
    "energy": 1011, "epoch": 1012, "evidence": b"\x94" * 32, "excess": 1013,
    "expires": 1014, "fee": 1015, "from_seq": 1016, "given": 1017, "grants": True,
    "held": 1018, "index": 1019, "is_on": True, "issuance": b"\x95" * 32,
    "key": b"\x02" * 33, "kind": 1, "least": 1020, "level": 1021, "limit": 1022,
    "locks": True, "members": b"\x96" * 32, "memo": b"memo", "meter": b"\x97" * 16,
    "mode": governance.Mode.TOKENS, "most": 1023, "name": "trade-fee",
    "network": b"\x98" * 32, "new": Opening(6, b"\x99" * 32, b""), "number": 1024,
    "of": token.Claim(1, 2, WHO, token.Slot(3, 4, 1000, 2010), 5), "offer": 1025,
    "old": Opening(7, b"\x9a" * 32, b""), "one": b"\x02" * 33, "owner": OTHER,
    "p256": True, "place": LOGGED, "price": 1026, "price_micro_per_kwh": 1027,
    "producer": WHO, "profile": b"\x9b" * 32, "provider": OTHER, "quantity": 1028,
    "rate": 1029, "readings": (Reading(OpenRecord(1, 2, 3, 14), b"\x9c" * 16, ()),),
    "reason": "broken", "recipient": OTHER, "revision": 1030, "role": "arbiter",
    "room": WHO, "root": b"\x9d" * 32, "sealed": SEALED, "seller": OTHER,
    "sender": WHO, "siblings": (b"\x9e" * 32,),
    "signature": b"\x9f" * 65, "new_signature": b"\xa0" * 65,
    "signatures": (b"\xa1" * 65, b"\xa2" * 65), "size": 1031,
    "slot": token.Slot(3, 4, 1000, 2010), "source": "solar", "start": 1000,
    "subject": 1032, "tariff": TARIFF, "terms": Terms(WHO, None, 86_400),
    "text": b"\xa3" * 32, "three": b"\x03" * 33, "to": OTHER, "token": OTHER,
    "total": 1033, "trade": 1034, "two": b"\x03" * 33, "until": 1035,
    "uri": "https://example.org/energy.json", "usage": 1036, "value": 1037,
    "verified": True, "watts": 1038, "weight": 1039, "who": WHO, "yes": True,
}  # fmt: skip
"""One value for each parameter's name; no two numbers are alike."""
SPECIAL: Final[Mapping[tuple[str, str], object]] = {
    ("append_entry", "subject"): b"\xa4" * 32,
    ("calculate_bills", "asked"): (BILL,),
    ("list_offer", "asset"): OTHER,
    ("post_set", "place"): PLACE,
    ("post_total", "one"): b"\xa5" * 65,
    ("post_total", "total"): ChainTotal(PLACE, b"\x11" * 32, 20, 5),
    ("post_total", "two"): b"\xa6" * 65,
    ("quote_bill", "asset"): OTHER,
    ("show_equivocation", "one"): SEALED,
    ("show_equivocation", "two"): replace(SEALED, header=replace(HEADER, seq=2)),
    ("hold_bill", "held"): True,
}
"""Where one name means two things."""
RENAMED: Final = {"from": "start", "to": "end"}


def bound() -> Iterator[Callable[..., Call]]:
    """Yield every binding there is."""
    for found in pkgutil.iter_modules(calls.__path__):
        module = import_module(f"{calls.__name__}.{found.name}")
        for _, function in inspect.getmembers(module, inspect.isfunction):
            told = inspect.signature(function).parameters
            if function.__module__ == module.__name__ and "at" in told:
                yield function


def sample(function: Callable[..., Call]) -> Call:
    """Call a binding with a sample of each parameter, by the parameter's name."""
    names = inspect.signature(function).parameters
    made = function.__name__
    return function(**{n: SPECIAL.get((made, n), SAMPLES.get(n)) for n in names})


CALLS: Final = {
    f"{call.contract.name}.{call.function}": (function, call)
    for function in bound()
    for call in [sample(function)]
}


def test_every_public_function_of_every_contract_is_bound_exactly_once() -> None:
    functions = list(bound())
    assert CALLS.keys() == INTERFACES.keys()
    assert len(functions) == len(INTERFACES) == 105


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_a_binding_has_the_contracts_arguments_in_order_and_of_type(name: str) -> None:
    _, call = CALLS[name]
    wanted = INTERFACES[name]["arguments"]
    assert call.contract.address == AT.address
    assert list(call.arguments) == [argument for argument, _ in wanted]
    for argument, kind in wanted:
        assert admits(kind, call.arguments[argument]), argument
    assert call.payload.arguments == tuple(call.arguments.values())


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_no_number_goes_where_another_belongs(name: str) -> None:
    function, call = CALLS[name]
    given = inspect.signature(function).parameters
    for argument, value in call.arguments.items():
        python = argument.replace("-", "_")
        python = python if python in given else RENAMED.get(argument, python)
        wanted = SAMPLES.get(python)
        if isinstance(value, UInt) and python in given and isinstance(wanted, int):
            assert value.value == wanted


def codes(said: str) -> set[int]:
    """Return the error codes after "Errors:"."""
    told = said.partition("Errors:")[2]
    found: set[int] = set()
    for first, last in re.findall(r"u(\d+)(?:\s+to\s+u(\d+))?", told):
        found.update(range(int(first), int(last or first) + 1))
    return found


def comments() -> Mapping[str, str]:
    """Return the comment above each public function of the contracts' sources."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "contracts").glob("*.clar")):
        comment, shared = "", ""
        for line in file.read_text().splitlines():
            if line.startswith(";;"):
                comment += line[2:]
                continue
            public = re.match(r"\(define-public \(([^\s)]+)", line)
            shared = (comment or shared) if public else ""
            if public:
                found[f"{file.stem}.{public[1]}"] = shared
            comment = ""
    return found


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_a_binding_names_the_errors_its_contract_names(name: str) -> None:
    function, _ = CALLS[name]
    assert codes(function.__doc__ or "") == codes(comments()[name]) != set()


ENERGY, UTILITY = AT.energy, AT.utility
MOVES: Final[Mapping[str, tuple[Condition, ...]]] = {
    "producer-certification.apply-for-certification": (moves.exactly(1015),),
    "producer-certification.withdraw-fees": (
        moves.exactly(1001, who=AT.contract("producer-certification")),
    ),
    "energy-token.transfer": (moves.exactly(1001, ENERGY, WHO),),
    "energy-token.reverse": (moves.at_most(1001, ENERGY, OTHER),),
    "energy-token.retire": (moves.exactly(1001, ENERGY),),
    "utility-token.transfer": (moves.exactly(1001, UTILITY, WHO),),
    "utility-token.burn": (moves.exactly(1001, UTILITY),),
    "marketplace.add-energy-for-sale": (moves.exactly(1001, ENERGY),),
    "marketplace.remove-energy-from-sale": (
        moves.exactly(1001, ENERGY, AT.contract("marketplace")),
    ),
    "marketplace.buy-energy-from-user": (
        moves.at_most(1023),
        moves.exactly(1001, ENERGY, AT.contract("marketplace")),
    ),
    "marketplace.refund-energy": (
        moves.exactly(1001, ENERGY),
        moves.at_least(1020, who=AT.contract("marketplace")),
    ),
    "marketplace.fund-refunds": (moves.exactly(1001),),
    "marketplace.withdraw-commission": (
        moves.exactly(1001, who=AT.contract("marketplace")),
    ),
    "trade-escrow.open-trade": (moves.at_most(1023, COIN),),
    "trade-escrow.settle": (
        moves.exactly(1018, COIN, AT.contract("trade-escrow")),
    ),
    "trade-escrow.cancel": (
        moves.exactly(1018, COIN, AT.contract("trade-escrow")),
    ),
    "trade-escrow.expire": (
        moves.exactly(1018, COIN, AT.contract("trade-escrow")),
    ),
    "reputation.stake": (moves.exactly(1001),),
    "reputation.unstake": (moves.exactly(1001, who=AT.contract("reputation")),),
    "reputation.slash": (moves.exactly(1001, who=AT.contract("reputation")),),
    "dispute-resolution.open-dispute": (moves.exactly(1005),),
    "dispute-resolution.appeal": (moves.exactly(1005),),
    "dispute-resolution.finalise": (
        moves.at_most(1006, who=AT.contract("dispute-resolution")),
    ),
    "governance.vote": (moves.exactly(1039, UTILITY),),
    "governance.unlock": (moves.exactly(1039, UTILITY, AT.contract("governance")),),
    "payment.pay-bill": (moves.exactly(1001, COIN),),
    "payment.pay-quoted": (moves.at_most(1023, COIN),),
    "payment.refund-excess": (moves.exactly(1013, COIN),),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_a_call_may_move_what_its_duty_moves_and_nothing_else(name: str) -> None:
    _, call = CALLS[name]
    assert call.conditions == MOVES.get(name, ())


def test_a_vote_of_members_moves_no_token() -> None:
    call = governance.vote(AT, 1, 1, yes=True, locks=False)
    assert call.conditions == ()


def test_whatever_has_a_contracts_source_moving_money_has_a_condition() -> None:
    """Functions that say themselves that something is paid, taken or burned."""
    for name, body in bodies().items():
        if re.search(r"stx-transfer\?|ft-burn\?|ft-transfer\?|\(pay-all|\(pay |"
                     r"\(pay-energy|\(pay-stx|\(move |token transfer", body):  # fmt: skip
            assert name in MOVES, name


def bodies() -> Mapping[str, str]:
    """Return each public function's source, to the next definition."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "contracts").glob("*.clar")):
        for part in re.split(r"\n(?=\(define-)", file.read_text()):
            public = re.match(r"\(define-public \(([^\s)]+)", part)
            if public:
                found[f"{file.stem}.{public[1]}"] = part
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda: arguments.digest(bytes(31)), lambda: arguments.digest(bytes(33)),
        lambda: arguments.meter_id(bytes(15)), lambda: arguments.public_key(bytes(32)),
        lambda: arguments.recoverable(bytes(64)), lambda: arguments.memo(bytes(35)),
        lambda: arguments.path([bytes(32)] * 33), lambda: arguments.text("", 32),
        lambda: arguments.text("x" * 33, 32), lambda: arguments.text("ä", 32),
        lambda: arguments.uri(""), lambda: arguments.uri("x" * 257),
        lambda: Reading(OpenRecord(1, 2, 3, 14), bytes(15), ()).value(),
        lambda: moves.exactly(-1), lambda: moves.at_most(1 << 64),
        lambda: disputes.decide_by_reading(AT, 1, SEALED, [], LOGGED),
        lambda: billing.calculate_bills(AT, []),
        lambda: billing.calculate_bills(AT, [BILL] * 9),
        lambda: billing.calculate_bills(AT, [replace(BILL, days=(STEP,) * 32)]),
        lambda: token.reverse(AT, bytes(32), 0, -1, WHO),
    ],
)  # fmt: skip
def test_what_a_contract_would_refuse_for_its_form_is_never_made(
    make: Callable[[], object],
) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


def test_a_call_becomes_a_transaction_of_its_network() -> None:
    _, call = CALLS["energy-oracle.anchor"]
    assert call.payload.function == "anchor"
    assert call.payload.contract == AT.contract("energy-oracle")


@pytest.mark.parametrize("name", ["energy-token.mint", "energy-token.claim"])
def test_a_slot_goes_point_register_start_end(name: str) -> None:
    _, call = CALLS[name]
    fields = ("meter-point", "register", "from", "to")
    assert [call.arguments[one] for one in fields] == list(
        map(UInt, (3, 4, 1000, 2010))
    )
