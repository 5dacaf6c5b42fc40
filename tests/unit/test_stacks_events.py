"""Every topic our contracts print has one record, read to the last field.

`proto/vectors/printed.json` holds one event of each kind that the tour of the devnet made
(`contracts/printed.mjs`); the sources of the contracts say which topics there are.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.energy import Anchor, EnergyClaimed
from meterseal_aggregator.stacks.events.market import Rated
from meterseal_aggregator.stacks.events.reading import Memo, read
from meterseal_aggregator.stacks.events.record import (
    FORMS,
    Hash,
    Key,
    Keys,
    Meter,
    Short,
)
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.clarity import (
    NONE,
    Ascii,
    Bool,
    Buffer,
    Int,
    List,
    Optional,
    Tuple,
    UInt,
    Utf8,
    Value,
    decode,
)
from meterseal_proto.errors import Malformed
from tests.support.claritytypes import Type

ROOT = Path(__file__).parents[2]
INTERFACES = json.loads((ROOT / "proto/vectors/interfaces.json").read_text())
PRINTED: Final[Mapping[str, str]] = json.loads(
    (ROOT / "proto/vectors/printed.json").read_text()
)
AT = Deployment(Address.parse("ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM"))
WHO = Principal.parse("ST1SJ3DTE5DN7X54YDH5D64R3BCB6A2AG2ZQ8YPD5")
SAMPLES: Final[Mapping[object, Value]] = {
    int: UInt(7), bool: Bool(value=True), str: Ascii("solar"), Principal: WHO,
    Principal | None: Optional(WHO), Hash: Buffer(b"\x11" * 32),
    Meter: Buffer(b"\x22" * 16), Key: Buffer(b"\x02" * 33), Short: Buffer(b"hi"),
    Keys: List((Buffer(b"\x02" * 33),) * 3),
}  # fmt: skip
EVERY = sorted(FORMS)


def hints(of: tuple[str, str]) -> Mapping[str, object]:
    """Return the type of each key of a topic's tuple."""
    form = FORMS[of]
    told = get_type_hints(form.kind, include_extras=True)
    return {key: told[name] for key, (name, _) in form.readers.items()}


def sample(of: tuple[str, str]) -> dict[str, Value]:
    """Return an event of a contract and topic."""
    body = {key: SAMPLES[kind] for key, kind in hints(of).items()}
    return {"topic": Ascii(of[1]), **body}


def told(contract: str, event: Mapping[str, Value]) -> object:
    return read(AT, AT.contract(contract), Tuple(dict(event)))


def prints() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield contract, enclosing function and the fields of every print in the sources."""
    for file in sorted((ROOT / "contracts").glob("*.clar")):
        for part in re.split(r"\n(?=\(define-)", file.read_text()):
            name = re.match(r"\(define-\S+ \(?([^\s)]+)", part)
            for start in re.finditer(r"\(print \{", part):
                assert name is not None
                yield file.stem, name[1], row(part[start.end() :])


def row(text: str) -> dict[str, str]:
    """Return names and expressions of a tuple whose brace was just opened."""
    found, depth, at = [""], 0, 0
    while depth or text[at] != "}":
        depth += (text[at] in "({") - (text[at] in ")}")
        if text[at] == "," and not depth:
            found.append("")
        else:
            found[-1] += text[at]
        at += 1
    pairs = (one.split(":", 1) for one in found)
    return {name.strip(): expression.strip() for name, expression in pairs}


def test_there_is_one_record_for_each_topic_with_just_its_fields() -> None:
    wanted = {
        (contract, found.pop("topic").strip('"')): set(found)
        for contract, _, found in prints()
    }
    # (print (merge at {topic: "equivocation"})), where `at` names meter, register and seq.
    wanted["meter-data", "equivocation"] = {"meter", "register", "seq"}
    assert {of: set(form.readers) for of, form in FORMS.items()} == wanted
    assert len(wanted) == 101


def python(kind: Type) -> object:
    """Return which of our types a Clarity type is, by the JSON of an interface."""
    match kind:
        case "uint128":
            return int
        case "bool" | "principal":
            return {"bool": bool, "principal": Principal}[kind]
        case {"string-ascii": _} | {"string-utf8": _}:
            return str
        case {"optional": "principal"}:
            return Principal | None
        case {"buffer": {"length": length}}:
            return {16: (Meter,), 32: (Hash, Short), 33: (Key,)}[length]
    return None


def test_what_a_function_prints_of_its_arguments_has_their_types() -> None:
    checked = 0
    for contract, function, found in prints():
        topic = found.pop("topic").strip('"')
        asked = INTERFACES.get(f"{contract}.{function}", {"arguments": []})
        types = dict(asked["arguments"])
        for key, expression in found.items():
            if expression in types:
                wanted = python(types[expression])
                kind = hints((contract, topic))[key]
                assert kind == wanted or (
                    isinstance(wanted, tuple) and kind in wanted
                ), (topic, key)
                checked += 1
    assert checked > 150


@pytest.mark.parametrize("kind", sorted(PRINTED))
def test_what_the_devnet_printed_is_read(kind: str) -> None:
    contract, topic = kind.split()
    value = decode(bytes.fromhex(PRINTED[kind]))
    assert isinstance(value, Tuple)
    record = read(AT, AT.contract(contract), value)
    form = FORMS[contract, topic]
    assert type(record) is form.kind
    for key, (name, _) in form.readers.items():
        assert getattr(record, name) == plain(value[key])


def plain(value: Value) -> object:
    """Return what a value says, in Python."""
    match value:
        case Principal():
            return value
        case Optional(inner):
            return None if inner is None else plain(inner)
        case List(items):
            return tuple(map(plain, items))
        case UInt(inner) | Bool(inner) | Buffer(inner) | Ascii(inner) | Utf8(inner):
            return inner
    raise AssertionError("our contracts print nothing else")


def test_the_tour_prints_most_topics() -> None:
    assert len(PRINTED) > 60


@pytest.mark.parametrize("of", EVERY, ids=" ".join)
def test_a_record_wants_every_field_and_no_other(of: tuple[str, str]) -> None:
    event = sample(of)
    assert type(told(of[0], event)) is FORMS[of].kind
    for key in event:
        with pytest.raises(Malformed):
            told(of[0], {name: one for name, one in event.items() if name != key})
    with pytest.raises(Malformed, match="other fields: more"):
        told(of[0], event | {"more": UInt(1)})


@pytest.mark.parametrize("of", EVERY, ids=" ".join)
def test_a_field_of_another_type_is_no_record(of: tuple[str, str]) -> None:
    event = sample(of)
    for key in event.keys() - {"topic"}:
        for wrong in (Int(7), Buffer(bytes(40)), Optional(UInt(1)), List()):
            with pytest.raises(Malformed):
                told(of[0], event | {key: wrong})


@pytest.mark.parametrize(
    ("of", "field", "wrong"),
    [
        (("energy-oracle", "anchor"), "root", Buffer(bytes(31))),
        (("user-registry", "meter-bound"), "key", Buffer(bytes(32))),
        (("user-registry", "meter-bound"), "meter", Buffer(bytes(17))),
        (("usage-aggregation", "trustees-set"), "trustees", List()),
        (("reputation", "rated"), "comment", Buffer(bytes(33))),
        (("marketplace", "offer-listed"), "asset", Optional(Ascii("coin"))),
    ],
)
def test_bytes_of_another_length_are_no_record(
    of: tuple[str, str], field: str, wrong: Value
) -> None:
    with pytest.raises(Malformed):
        told(of[0], sample(of) | {field: wrong})


def test_whoever_rates_with_a_short_comment_stops_nobody() -> None:
    event = sample(("reputation", "rated")) | {"comment": Buffer(b"")}
    record = told("reputation", event)
    assert isinstance(record, Rated)
    assert record.comment == b""


def test_from_and_to_are_start_and_end() -> None:
    event = sample(("energy-token", "energy-claimed"))
    record = told("energy-token", event | {"from": UInt(900), "to": UInt(1800)})
    assert isinstance(record, EnergyClaimed)
    assert (record.start, record.end) == (900, 1800)


def test_a_memo_is_a_memo_whatever_it_says() -> None:
    for token in ("energy-token", "utility-token"):
        assert read(AT, AT.contract(token), Buffer(b"topic")) == Memo(b"topic")


ANCHOR = sample(("energy-oracle", "anchor"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: told("marketplace", ANCHOR),
        lambda: told("energy-oracle", ANCHOR | {"topic": Utf8("anchor")}),
        lambda: told("energy-oracle", ANCHOR | {"topic": Ascii("anchored")}),
        lambda: told("energy-oracle", {}),
        lambda: read(AT, AT.contract("marketplace"), Buffer(b"memo")),
        lambda: read(AT, AT.contract("energy-token"), Buffer(bytes(35))),
        lambda: read(AT, AT.contract("energy-oracle"), NONE),
        lambda: read(AT, Principal(AT.address), Tuple(ANCHOR)),
        lambda: read(AT, Principal(WHO.address, "energy-oracle"), Tuple(ANCHOR)),
    ],
    ids=[
        "room", "utf8", "topic", "empty", "memo", "long", "none", "nobody", "stranger",
    ],
)  # fmt: skip
def test_what_ours_cannot_have_printed_is_malformed(make: Callable[[], object]) -> None:
    with pytest.raises(Malformed):
        make()


@given(st.binary(max_size=200))
def test_no_bytes_of_a_node_do_more_than_be_refused(raw: bytes) -> None:
    try:
        value = decode(raw)
        read(AT, AT.contract("energy-oracle"), value)
    except Malformed:
        pass


def test_a_record_is_plain_data() -> None:
    record = told("energy-oracle", ANCHOR)
    assert record == Anchor(7, 7, b"\x11" * 32)
    assert {field.name for field in fields(Anchor)} == {"number", "size", "root"}
