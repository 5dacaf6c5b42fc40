"""What each command does: a house and options in, lines out, an exit status back.

It must never print a secret but the code or token it was asked to make. Programs are
imported inside their command.
"""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meterseal_aggregator.app.house import House


async def serve(house: "House", _options: argparse.Namespace) -> int:
    """Run until stopped."""
    from meterseal_aggregator.app.serve import serve

    await serve(house, lambda line: print(line, flush=True))
    return 0


async def migrate(house: "House", _options: argparse.Namespace) -> int:
    """Say that the database is up to date: opening it did it."""
    print(f"the database {house.config.database} is up to date")
    return 0


async def enrol(house: "House", options: argparse.Namespace) -> int:
    """Prepare a home and print its one-time code."""
    from dataclasses import asdict

    from meterseal_aggregator.app.deeds import EnrolRequest, enrol
    from meterseal_aggregator.registry.model import CodeKind

    made = await enrol(
        house,
        EnrolRequest(
            member=options.member,
            point=options.point or options.member,
            agent=options.agent,
            capacity_w=options.capacity_w,
            certified_w=options.certified_w,
            from_at=options.from_at,
            valid_s=options.valid_h * 3600,
            kind=CodeKind.REPLACEMENT if options.replacement else CodeKind.ENROLMENT,
        ),
    )
    if options.json:
        print(json.dumps(asdict(made)))
    else:
        print(f"member {made.member_id}, meter point {made.meter_point_id}")
        print(f"one-time code for agent {made.agent}: {made.code}")
        command = "replace" if options.replacement else "enrol"
        print(f"on the agent: meterseal-agent {command} --code {made.code}")
    return 0


async def token(house: "House", options: argparse.Namespace) -> int:
    """Make a token and print it."""
    from meterseal_aggregator.app.deeds import TokenRequest, make_token
    from meterseal_aggregator.identity.model import Role

    label = options.label or options.role
    wish = TokenRequest(Role(options.role), options.member, label, options.days)
    token = await make_token(house, wish)
    print(json.dumps({"token": token, "role": options.role}) if options.json else token)
    return 0


async def certificate(house: "House", options: argparse.Namespace) -> int:
    """Issue a certificate."""
    from meterseal_aggregator.app.deeds import issue_certificate

    await issue_certificate(house, options.name, options.out, server=options.server)
    print(f"{options.out} holds a key and its certificate of the device CA")
    return 0


async def parameter(house: "House", options: argparse.Namespace) -> int:
    """Record a parameter."""
    from meterseal_aggregator.app.deeds import set_parameter
    from meterseal_aggregator.parameters.model import PARAMETERS, Name

    name = Name(options.name)
    value: int | str = options.value
    if isinstance(PARAMETERS[name].default, int):
        try:
            value = int(options.value)
        except ValueError:
            return fail(f"{name.value} is a whole number, not {options.value!r}")
    begin = await set_parameter(house, name, value, options.from_at)
    print(f"{name.value} is {value} from {begin} on")
    return 0


async def audit(house: "House", options: argparse.Namespace) -> int:
    """Evaluate every invariant, and keep what came of it for the metrics."""
    from dataclasses import asdict

    from meterseal_aggregator.app.audit import audit_and_keep, audit_chain

    found = await audit_and_keep(house)
    if options.node:
        found += await audit_chain(house)
    if options.json:
        print(json.dumps([asdict(finding) for finding in found]))
    else:
        # What fails comes last, where whoever scrolled by still sees it.
        for finding in sorted(found, key=lambda one: not one.ok):
            verdict = "holds" if finding.ok else "FAILS"
            print(f"invariant {finding.invariant:2} {verdict}: {finding.detail}")
    return 0 if all(finding.ok for finding in found) else 1


async def mint(house: "House", _options: argparse.Namespace) -> int:
    """Validate and mint what is final."""
    from meterseal_aggregator.app.duties import credit, validate

    checked = await validate(house)
    decided = await credit(house)
    print(f"{checked} readings assessed, {decided} slots decided")
    return 0


async def anchor(house: "House", _options: argparse.Namespace) -> int:
    """Sign and publish the log's head."""
    from meterseal_aggregator.app.drive import drive
    from meterseal_aggregator.app.duties import anchor, sequence

    added = await sequence(house)
    done = await anchor(house)
    if await drive(house):
        done += await anchor(house)
    if house.config.stacks is not None:
        print(f"{added} entries integrated, {done} anchor deep in the chain")
        return 0
    print(
        f"{added} entries integrated, {done} anchor written to {house.config.anchors}"
    )
    print("the file publisher proves nothing: the operator can rewrite the file")
    return 0


async def chain(house: "House", _options: argparse.Namespace) -> int:
    """Tell what we do on the chain."""
    from meterseal_aggregator.app.chainreport import report

    for line in await report(house):
        print(line)
    return 0


async def fsck(house: "House", _options: argparse.Namespace) -> int:
    """Re-derive the whole log."""
    from meterseal_aggregator.translog.fsck import check

    async with house.database.reading() as tx:
        report = await check(tx, house.keys.log.vkey)
    if report.difference is not None:
        return fail(report.difference)
    print(f"{report.entries} entries, {report.checkpoints} checkpoints: no difference")
    return 0


def price(options: argparse.Namespace) -> int:
    """Price a year of usage; needs no house."""
    from meterseal_aggregator.app.pricing import NotPriced
    from meterseal_aggregator.app.pricingwish import answer
    from meterseal_proto.printable import printable

    try:
        print(answer(options), flush=True)
    except NotPriced as error:
        # It may name what a stranger wrote: a column, a period, a unit.
        return fail(printable(str(error)))
    except BrokenPipeError:
        # Whoever reads along has seen enough, as `head` has; Python flushes once more at
        # its end, and that must find a place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def import_file(house: "House", options: argparse.Namespace) -> int:
    """Take a file of members and meter points over: all of it, or nothing."""
    from meterseal_aggregator.app.deeds import operator
    from meterseal_aggregator.billing.supplies.load import Order, load
    from meterseal_aggregator.billing.supplies.sheet import (
        MAX_FAULTS,
        MAX_SHEET_BYTES,
        SheetRefused,
    )

    try:
        with options.file.open("rb") as file:
            data = file.read(MAX_SHEET_BYTES + 1)
    except OSError as error:
        return fail(f"cannot read {options.file}: {error.strerror}")
    order = Order(operator(), int(house.now()), int(house.real_now()))
    try:
        done = await load(house.database, data, order, dry=options.dry_run)
    except SheetRefused as refused:
        for fault in refused.faults:
            print(f"line {fault.line}: {fault.what}", file=sys.stderr)
        many = len(refused.faults) == MAX_FAULTS
        told = f"the first {MAX_FAULTS} faults" if many else "what is wrong"
        return fail(f"{options.file} was not taken, not a line of it; {told}: above")
    would = "would add" if options.dry_run else "added"
    print(
        f"{would} {done.members} members, {done.meter_points} meter points,"
        f" {done.tenancies} tenancies, {done.supplies} supplies;"
        f" {done.unchanged} rows were there already"
    )
    return 0


def fail(why: str) -> int:
    """Say why nothing was done; returns the exit status."""
    print(f"meterseal-aggregator: {why}", file=sys.stderr)
    return 1
