"""meterseal-verify: check evidence, range proofs, a bill or a total, trusting no server.

Prints one line per claim - PASS, FAIL or UNCHECKED, the claim's name, a sentence -
and exits 0 only when nothing failed. What was not asked is UNCHECKED and fails nothing:
to require one's network is to name it, and the anchor has a flag, for it may stay
UNCHECKED when everything was named. All reading is in `main`, and a wire is touched only
where it names a node. It must never need our aggregator, never write, and never end in a
traceback: a file that is no bundle gets one clear line.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_proto import replay
from meterseal_proto.bundle import canonical, parse_bundle
from meterseal_proto.c32 import Principal
from meterseal_proto.chainnode import CONTRACT, DEPTH, MAX_DEPTH, Node
from meterseal_proto.claims import Claim, Expectation, Verdict, holds
from meterseal_proto.claims_bundle import judge
from meterseal_proto.claims_private import judge_private
from meterseal_proto.claims_total import judge_total
from meterseal_proto.claims_usage import judge_usage
from meterseal_proto.errors import Rejected
from meterseal_proto.evidence.archive import MAX_ARCHIVE_BYTES, is_archive
from meterseal_proto.evidence.billedcase import Billed
from meterseal_proto.evidence.claims_billed import judge_billed
from meterseal_proto.evidence.claims_traded import Traded, judge_traded
from meterseal_proto.evidence.contents import Subject, unpack
from meterseal_proto.nodehttp import node_at
from meterseal_proto.printable import printable
from meterseal_proto.privatefile import (
    PrivateFile,
    is_private,
    parse_private,
)
from meterseal_proto.tariff import LocalTime
from meterseal_proto.totalfile import is_total, parse_total
from meterseal_proto.usagefile import parse_usage

CLEARING: Final = "clearing"
"""The first word that asks for an auction's replay; a file of that name is ./clearing."""
_NAME_WIDTH: Final = 12


def examine(
    data: bytes, expectation: Expectation, openings: bytes | None = None
) -> tuple[Claim, ...]:
    """Judge the bytes of a file; a file of no known kind fails the claim `format`.

    `openings` is a member's own file, held against what `data` says of his days.
    """
    if not is_archive(data) and is_private(data):
        return _examine_private(data, expectation, openings)
    if openings is not None:
        text = "openings go with a proof file or a private bill"
        return (Claim("openings", Verdict.FAIL, text),)
    if is_archive(data):
        return _examine_evidence(data, expectation)
    if is_total(data):
        return _examine_total(data, expectation)
    try:
        bundle = parse_bundle(data)
    except Rejected as rejected:
        return (
            Claim("format", Verdict.FAIL, f"no evidence bundle: {rejected.detail}"),
        )
    known = Claim("format", Verdict.PASS, "an evidence bundle in its one spelling")
    return (known, *judge(bundle, expectation))


def _examine_private(
    data: bytes, expectation: Expectation, openings: bytes | None
) -> tuple[Claim, ...]:
    try:
        file = parse_private(data)
    except Rejected as rejected:
        text = f"no proof or bill of ours: {rejected.detail}"
        return (Claim("format", Verdict.FAIL, text),)
    kind = "range proofs" if file.bill is None else "a private bill"
    known = Claim("format", Verdict.PASS, f"{kind} in the one spelling")
    claims = (known, *judge_private(file, expectation))
    return claims if openings is None else (*claims, *_own(file, openings, expectation))


def _examine_total(data: bytes, expectation: Expectation) -> tuple[Claim, ...]:
    try:
        file = parse_total(data)
    except Rejected as rejected:
        text = f"no total of ours: {rejected.detail}"
        return (Claim("format", Verdict.FAIL, text),)
    known = Claim("format", Verdict.PASS, "a community's total in the one spelling")
    return (known, *judge_total(file, expectation))


def _examine_evidence(data: bytes, expectation: Expectation) -> tuple[Claim, ...]:
    try:
        dossier = unpack(data)
    except Rejected as rejected:
        text = f"no evidence of a bill or a trade: {rejected.detail}"
        return (Claim("format", Verdict.FAIL, text),)
    known = Claim("format", Verdict.PASS, f"the evidence of a {dossier.subject}")
    if dossier.subject is Subject.BILL:
        return (known, *judge_billed(Billed(dossier, expectation)))
    return (known, *judge_traded(Traded(dossier, expectation)))


def _own(
    file: PrivateFile, openings: bytes, expectation: Expectation
) -> tuple[Claim, ...]:
    try:
        usage = parse_usage(openings)
    except Rejected as rejected:
        text = f"no openings of ours: {rejected.detail}"
        return (Claim("openings", Verdict.FAIL, text),)
    return judge_usage(file, usage, expectation)


def zone_clock(zone: str) -> LocalTime:
    """Return a zone's clock; KeyError or ValueError for a zone not known here."""
    return partial(datetime.fromtimestamp, tz=ZoneInfo(zone))


def render(claims: Sequence[Claim], *, passed: bool, as_json: bool) -> str:
    """Write the claims down: one line each, or one canonical JSON object."""
    if as_json:
        rows = [
            {"name": c.name, "text": c.text, "verdict": str(c.verdict)} for c in claims
        ]
        return canonical({"claims": [dict(row) for row in rows], "ok": passed}).decode()
    width = max(len(verdict) for verdict in Verdict)
    lines = (f"{c.verdict:<{width}} {c.name:<{_NAME_WIDTH}} {c.text}" for c in claims)
    # A name from a file may hold anything, a line that says PASS too.
    return "\n".join(map(printable, lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when the evidence holds, 1 when it does not, 2 for bad usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == [CLEARING]:
        return replay.main(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    if len({node.name for node in options.node}) < len(options.node):
        parser.error("two nodes that must agree are not of one host")
    known = Expectation(
        options.network, tuple(options.node), zone_clock, options.witness,
        tuple(options.trustee), options.contract, options.depth,
    )  # fmt: skip
    try:
        data = _read(options.file)
        openings = _read(options.openings) if options.openings else None
        claims = examine(data, known, openings)
    except _Unread as unread:
        claims = (Claim("file", Verdict.FAIL, str(unread)),)
    passed = holds(claims, require_anchor=options.require_anchor)
    print(render(claims, passed=passed, as_json=options.json))
    return 0 if passed else 1


class _Unread(Exception):
    """A file cannot be read; the message says which and why."""


def _read(name: str) -> bytes:
    try:
        # One byte more than the limit tells a file that is too large, at no cost.
        with Path(name).open("rb") as file:
            return file.read(MAX_ARCHIVE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _Unread(f"{name} cannot be read: {reason}") from None


def _node(text: str) -> Node:
    try:
        return node_at(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _contract(text: str) -> Principal:
    """Return the contract that is named, or the one that an address published."""
    try:
        named = Principal.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return named if named.name else Principal(named.address, CONTRACT)


def _depth(text: str) -> int:
    short = len(text) <= len(str(MAX_DEPTH)) and text.isascii() and text.isdigit()
    if short and int(text) <= MAX_DEPTH:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number of blocks, 0 to {MAX_DEPTH}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meterseal-verify",
        description="Check a bundle, the evidence of a bill or trade, a proof, a private bill"
        " or a community's total,"
        " claim by claim; offline, unless you give a node.",
        epilog="Exits 0 when no claim FAILs, 1 when one does, 2 for bad usage. UNCHECKED"
        " fails nothing: what must be held against your own knowledge you give, --network"
        " above all. `meterseal-verify clearing BOOK` replays an auction instead.",
    )
    parser.add_argument("file", metavar="FILE", help="what to check: JSON, or a ZIP")
    parser.add_argument(
        "--network", metavar="HEX",
        help="the network id you enrolled in; a file of another fails",
    )  # fmt: skip
    _add_chain(parser)
    parser.add_argument(
        "--openings",
        metavar="FILE",
        help="the member's own openings, from his page: recompute from usage",
    )
    parser.add_argument(
        "--witness", metavar="KEY", help="who must have cosigned it, name+id+base64"
    )
    parser.add_argument(
        "--trustee", metavar="FINGERPRINT", action="append", default=[],
        help="a trustee of a total, as your commissioning sheet has it; give all three",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _add_chain(parser: argparse.ArgumentParser) -> None:
    """Add what follows a file to the chain."""
    parser.add_argument(
        "--node", metavar="URL", type=_node, action="append", default=[],
        help="a Stacks node to ask for the anchor; given twice, both must agree",
    )  # fmt: skip
    parser.add_argument(
        "--contract", metavar="PRINCIPAL", type=_contract,
        help="the contract that anchors, or the address that published it, where your"
        " network's genesis document does not say",
    )  # fmt: skip
    parser.add_argument(
        "--depth", metavar="BLOCKS", type=_depth, default=DEPTH,
        help=f"blocks over an anchor before it counts, {DEPTH} unless you say",
    )  # fmt: skip
    parser.add_argument(
        "--require-anchor", action="store_true", help="exit 1 unless the anchor passes"
    )


if __name__ == "__main__":
    sys.exit(main())
