"""Every bad input that intake must name: how a device, or somebody else, makes it.

A misdeed is given a device whose first two seals (`HISTORY`) were accepted, and returns
the payload it sends next. Nothing here knows how intake judges: the reason beside each
is what the protocol says.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from meterseal_proto.curve import ORDER
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Reason
from meterseal_proto.keys import RootSecret
from meterseal_proto.message import encode_seal
from meterseal_proto.seal import OpenRecord
from meterseal_proto.topics import MAX_MESSAGE_BYTES
from meterseal_proto.units import MeterId, Quality
from tests.support.devices import BEGAN_AT, CAPACITY_W, Device, Sent

HISTORY: Final = ((100, 120), (90,))
NOW: Final = BEGAN_AT + 86_400
OTHER_KEY: Final = RootSecret(b"\x55" * 32).seal_key()


@dataclass(frozen=True, slots=True)
class Misdeed:
    """A bad input; `act` makes it, `reason` is its answer, None for a duplicate."""

    name: str
    act: Callable[[Device], bytes]
    reason: Reason | None
    evidence: bool = True


def _next(one: Device) -> Sent:
    return one.seal(one.records([80]))


def _fields(one: Device) -> list[Value]:
    fields = decode(_next(one).payload)
    assert isinstance(fields, tuple)
    return list(fields)


def _with(place: int, value: Value) -> Callable[[Device], bytes]:
    def act(one: Device) -> bytes:
        fields = _fields(one)
        fields[place] = value
        return encode(fields)

    return act


def _oversize(one: Device) -> bytes:
    return _next(one).payload.ljust(MAX_MESSAGE_BYTES + 1, b"\x00")


def _longer_form(one: Device) -> bytes:
    return _next(one).payload.replace(b"\x89\x01", b"\x89\x18\x01", 1)


def _indefinite(one: Device) -> bytes:
    return b"\x9f" + _next(one).payload[1:] + b"\xff"


def _repeated_key(one: Device) -> bytes:
    return b"\xa2\x61a\x01\x61a\x01"


def _unknown_key(one: Device) -> bytes:
    return encode({"seal": _next(one).payload, "note": "hello"})


def _a_float(one: Device) -> bytes:
    # The register's value as a double, RFC 8949 3.3: major type 7, 27.
    return encode(_fields(one)[:-1])[:-1] + b"\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18"


def _other_meter(one: Device) -> bytes:
    return encode_seal(_headed(one, meter=MeterId(b"\xee" * 16)).seal)


def _headed(one: Device, **changes: object) -> Sent:
    """Return the next seal with header fields changed, rightly signed."""
    seal = _next(one).seal
    # The fields' types are the header's own; replace checks their names.
    header = replace(seal.header, **changes)  # type: ignore[arg-type]
    return one.sign(header, seal.records, seal.salts)


def _wrong_key(one: Device) -> bytes:
    sent = _next(one)
    return encode_seal(replace(sent.seal, signature=OTHER_KEY.sign(sent.digest)))


def _other_network(one: Device) -> bytes:
    return _headed(one, network=b"\x99" * 32).payload


def high_s(sent: Sent) -> bytes:
    """Return the payload with the signature's other, high-s form."""
    r, s = sent.seal.signature[:32], int.from_bytes(sent.seal.signature[32:])
    signature = r + (ORDER - s).to_bytes(32)
    return encode_seal(replace(sent.seal, signature=signature))


def first_sent(one: Device) -> Sent:
    """Return the device's first seal again, the same bytes."""
    begin = replace_head(one)
    return begin.seal(begin.records(HISTORY[0]))


def replace_head(one: Device) -> Device:
    """Return the device as it was when it was enrolled."""
    head = replace(one.head, seq=0, hash=one.link, end=BEGAN_AT, value=one.start.value)
    return replace(one, head=head)


def _twin(one: Device) -> bytes:
    begin = replace_head(one)
    return begin.seal(begin.records((100, 121))).payload


def _told_twice(one: Device) -> bytes:
    record = OpenRecord(BEGAN_AT, 100, one.head.value + 100, Quality.RAW)
    return one.seal([record]).payload


def _at(start: int) -> Callable[[Device], bytes]:
    def act(one: Device) -> bytes:
        record = OpenRecord(start, 80, one.head.value + 80, Quality.RAW)
        return one.seal([record]).payload

    return act


def _record(**changes: int) -> Callable[[Device], bytes]:
    def act(one: Device) -> bytes:
        (record,) = one.records([80])
        return one.seal([replace(record, **changes)]).payload

    return act


def _delta(delta: int) -> Callable[[Device], bytes]:
    return lambda one: one.seal(one.records([delta])).payload


def _long(quality: int, count: int, step: int) -> Callable[[Device], bytes]:
    def act(one: Device) -> bytes:
        header = one.next_header(one.head.end, step)
        records = replace(one, step=step).records([80] * count, quality=quality)
        return one.seal(records, header).payload

    return act


def _next_day(one: Device) -> int:
    return one.head.end + 900


MISDEEDS: Final = (
    Misdeed("oversize", _oversize, Reason.TOO_LARGE),
    Misdeed("truncated", lambda one: _next(one).payload[:-1], Reason.MALFORMED),
    Misdeed("bytes after the end", lambda o: _next(o).payload + b"\0", Reason.MALFORMED),
    Misdeed("empty", lambda _: b"", Reason.MALFORMED),
    Misdeed("a longer form than needed", _longer_form, Reason.MALFORMED),
    Misdeed("indefinite length", _indefinite, Reason.MALFORMED),
    Misdeed("repeated key", _repeated_key, Reason.MALFORMED),
    Misdeed("unknown key", _unknown_key, Reason.MALFORMED),
    Misdeed("a float", _a_float, Reason.MALFORMED),
    Misdeed("another version", _with(0, 2), Reason.MALFORMED),
    Misdeed("true for a version", _with(0, True), Reason.MALFORMED),
    Misdeed("a negative time", _with(3, -900), Reason.MALFORMED),
    Misdeed("no records", _with(8, []), Reason.MALFORMED),
    Misdeed("unknown meter", _other_meter, Reason.UNKNOWN_METER),
    Misdeed("unknown register", _with(2, 0x0100_0308_00FF), Reason.UNKNOWN_METER),
    Misdeed("older than 130 days", _at(NOW - 130 * 86_400 - 900), Reason.TIME_WINDOW),
    Misdeed("beyond five minutes ahead", _at(NOW - 300), Reason.TOO_EARLY),
    Misdeed("a seq of nought", lambda o: _headed(o, seq=0).payload, Reason.KEY_NOT_YET_VALID),
    Misdeed(
        "a prev nobody knows",
        lambda o: _headed(o, prev=b"\x01" * 32).payload,
        Reason.OUT_OF_ORDER,
        evidence=False,
    ),
    Misdeed("wrong key", _wrong_key, Reason.BAD_SIGNATURE),
    Misdeed("another network", _other_network, Reason.BAD_SIGNATURE),
    Misdeed("high-s twin of a new seal", lambda o: high_s(_next(o)), Reason.BAD_SIGNATURE),
    Misdeed("a changed record", _with(8, [[bytes(16), 81, 1391, 14, 0]]), Reason.BAD_SIGNATURE),
    Misdeed("a replay", lambda o: first_sent(o).payload, None, evidence=False),
    Misdeed("high-s twin of a known seal", lambda o: high_s(first_sent(o)), None, evidence=False),
    Misdeed("two contents for one seq", _twin, Reason.EQUIVOCATION),
    Misdeed("two contents for one slot", _told_twice, Reason.EQUIVOCATION),
    Misdeed("off the grid", lambda o: _at(o.head.end + 300)(o), Reason.OFF_GRID),
    Misdeed("two long records", _long(10, 2, 1800), Reason.OFF_GRID),
    Misdeed("a gap", lambda o: _at(_next_day(o))(o), Reason.GAP),
    Misdeed("time before enrolment", _at(BEGAN_AT - 900), Reason.GAP),
    Misdeed("backward register", _record(delta=0, value=5), Reason.BACKWARD_REGISTER),
    Misdeed("a sum that is none", _record(delta=81), Reason.INCONSISTENT),
    Misdeed("a revision", _record(revision=1), Reason.INCONSISTENT),
    Misdeed("validated by the device", _record(quality=17), Reason.INCONSISTENT),
    Misdeed("a long record of raw quality", _long(14, 1, 1800), Reason.INCONSISTENT),
    Misdeed("above capacity x 1.1", _delta(CAPACITY_W * 11 // 40 + 2), Reason.CAPACITY),
)  # fmt: skip
