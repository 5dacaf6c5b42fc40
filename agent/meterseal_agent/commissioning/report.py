"""The commissioning report: what was found at the wall, signed by the device's own key.

Pure. A report is one JSON object:

    {"format": "meterseal-report/1",
     "body": {...},                  integers, texts, true, false, null, lists, objects
     "key": {"algorithm": "secp256k1" | "p256", "public": 33 bytes, hex},
     "signature": 64 bytes r || s, hex}

Signed is SHA-256 of the ASCII text `meterseal/report/v1`, a zero byte, and the body as
JSON with sorted keys, no spaces and everything beyond ASCII escaped. The prefix keeps
a report's signature from being taken for a seal's; the key is the agent's seal key, which
the registry knows. A body holds no float, so its bytes are the same everywhere.

It must never hold a secret, and a report that does not verify must never be compared.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from meterseal_agent.commissioning.finding import Finding, Grade
from meterseal_proto.boundedjson import read_json
from meterseal_proto.keys import PublicKey, SealKey

FORMAT: Final = "meterseal-report/1"
DOMAIN: Final = b"meterseal/report/v1\x00"
MAX_BYTES: Final = 1 << 22
"""247 meters with forty findings each take a megabyte."""
MAX_BRACKETS: Final = 65_536
SLOWER: Final = 2
"""Times: an answer that takes twice as long as at the last visit is worth a look."""
SLOW_MS: Final = 20

Body = dict[str, Any]  # Any: a JSON document


def canonical(body: Mapping[str, Any]) -> bytes:  # Any: a JSON document
    """Return the bytes that are signed; ValueError for what is no body."""
    _check(body)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def digest(body: Mapping[str, Any]) -> bytes:  # Any: a JSON document
    """Return the 32 bytes that are signed."""
    return hashlib.sha256(DOMAIN + canonical(body)).digest()


def sign(body: Body, key: SealKey) -> Body:
    """Return the whole report."""
    return {
        "format": FORMAT,
        "body": body,
        "key": {
            "algorithm": str(key.public.algorithm),
            "public": key.public.raw.hex(),
        },
        "signature": key.sign(digest(body)).hex(),
    }


def open_report(raw: bytes) -> tuple[Body, PublicKey]:
    """Return a report's body and the key that signed it; ValueError says what is wrong."""
    if len(raw) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    try:
        document = read_json(raw, brackets=MAX_BRACKETS)
    except ValueError as error:
        raise ValueError(f"it is no {FORMAT}") from error
    match document:
        case {
            "format": str(named),
            "body": dict(body),
            "key": {"algorithm": str(algorithm), "public": str(public)},
            "signature": str(signature),
        } if named == FORMAT:
            key = PublicKey.parse(algorithm, bytes.fromhex(public))
            if not key.verify(digest(body), bytes.fromhex(signature)):
                raise ValueError("its signature is wrong: it was changed since")
            return body, key
        case _:
            raise ValueError(f"it is no {FORMAT}")


def finding_rows(findings: Sequence[Finding]) -> list[Body]:
    """Return findings as a body holds them."""
    return [
        {"grade": f.grade.value, "where": f.where, "text": f.text} for f in findings
    ]


def well(body: Body) -> bool:
    """Tell whether nothing in a report has to be mended."""
    rows = [row for meter in body["meters"] for row in meter["findings"]]
    return all(row["grade"] != Grade.BAD for row in rows)


def diff(old: Body, new: Body) -> list[str]:
    """Return what changed between two reports, one sentence each; KeyError for others."""
    before = {meter["serial"]: meter for meter in old["meters"]}
    after = {meter["serial"]: meter for meter in new["meters"]}
    lines = [
        f"{serial}: was there, is not any more"
        for serial in before
        if serial not in after
    ]
    lines += [f"{serial}: is new" for serial in after if serial not in before]
    if old["agent"] != new["agent"]:
        lines.append(f"agent: was {old['agent']}, is {new['agent']}")
    for serial, meter in after.items():
        if serial in before:
            lines += [f"{serial}: {text}" for text in _changes(before[serial], meter)]
    return lines


def _changes(old: Body, new: Body) -> list[str]:
    lines = [
        f"{key} was {old[key]}, is {new[key]}"
        for key in ("model", "line", "capacity_w")
        if old[key] != new[key]
    ]
    return [*lines, *_registers(old, new), *_findings(old, new), *_pace(old, new)]


def _registers(old: Body, new: Body) -> list[str]:
    before, after = old["registers"], new["registers"]
    return [
        f"{name} went back from {before[name]} to {value}: was the meter exchanged?"
        if value < before[name]
        else f"{name} counted {value - before[name]} since"
        for name, value in sorted(after.items())
        if name in before
    ]


def _findings(old: Body, new: Body) -> list[str]:
    """Return what is wrong that was not, and what was mended; by place and grade.

    Texts hold figures that move, so a fault is the same while its place is bad.
    """
    before, after = _faults(old), _faults(new)
    lines = [
        f"new fault at {where}: {text}"
        for where, text in after.items()
        if where not in before
    ]
    return lines + [
        f"mended at {where}: {text}"
        for where, text in before.items()
        if where not in after
    ]


def _faults(meter: Body) -> dict[str, str]:
    rows = (row for row in meter["findings"] if row["grade"] == Grade.BAD)
    return {row["where"]: row["text"] for row in rows}


def _pace(old: Body, new: Body) -> list[str]:
    one, two = old["quality"], new["quality"]
    if not one or not two:
        return []
    slow = max(SLOW_MS, SLOWER * one["half_within_ms"])
    lines = []
    if two["half_within_ms"] > slow:
        lines.append(
            f"answers take {two['half_within_ms']} ms, not {one['half_within_ms']}"
        )
    if two["answered"] * one["reads"] < one["answered"] * two["reads"]:
        lines.append(
            f"{two['answered']} of {two['reads']} reads answered, last time"
            f" {one['answered']} of {one['reads']}"
        )
    return lines


def _check(value: object) -> None:
    """Refuse what has no single way to be written: a float, a key that is no text."""
    match value:
        case None | bool() | int() | str():
            return
        case list():
            for item in value:
                _check(item)
        case dict() if all(isinstance(key, str) for key in value):
            for item in value.values():
                _check(item)
        case _:
            raise ValueError(f"a report holds no {type(value).__name__}")
