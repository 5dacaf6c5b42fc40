"""What a private street's day came to, each figure beside what the meters showed.

Bills are reckoned again from what each home's own device keeps, the total from the meters'
registers; one bill, what its device opened for it and the total are checked offline; then
all that others hold is searched.
This module must never compare a program with itself.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from deploy import billing, private_bills, search
from deploy.billing import CURRENCY, UNIT
from deploy.outcome import SETTLED_WITHIN_S
from deploy.private_street import REGISTER, Chapter
from deploy.processes import Failed, Program
from deploy.search import Home, Usage
from deploy.street import sim_main
from meterseal_agent.outbox import days
from meterseal_proto.seal import parse_header

_OTHERS: Final = ("aggregator", "trustee-0", "trustee-1", "trustee-2")
"""The folders of all who are told something."""
_METERS: Final = ("sim.log", "registers.log")
"""What the simulated meters say: their registers are theirs to show."""
_NO_CONTENT: Final = "-shm"
"""SQLite's index into its write-ahead log: page numbers, which look like small registers."""


def bills(chapter: Chapter) -> list[dict[str, Any]]:  # JSON rows
    """Return what every home's device opened of the day, by home."""
    rows = []
    for meter in chapter.meters:
        path = f"/v1/meters/{meter}/registers/{REGISTER}/private-bills"
        rows += [
            row
            for row in chapter.street.api.pages(path)
            if row["begin"] == chapter.street.start
        ]
    return rows


def statements(chapter: Chapter) -> dict[int, dict[str, Any]]:  # JSON rows
    """Return the bill of the day of every home that has one, by home."""
    homes = {supply: home for home, supply in chapter.supplies.items()}
    return {
        homes[row["supply"]]: row
        for row in chapter.street.api.pages("/v1/bills")
        if row["begin"] == chapter.street.start
    }


def totals(chapter: Chapter) -> list[dict[str, Any]]:  # JSON rows
    """Return the proved total of the day, in a list of one, or nothing."""
    return [
        row
        for row in chapter.street.api.pages("/v1/network/totals")
        if row["day"] == chapter.day
    ]


def compare(chapter: Chapter) -> bool:
    """Print each figure beside what the meters showed; returns whether all are right."""
    street, day = chapter.street, (chapter.zone, chapter.street.start)
    own = [_kept(chapter, home, street.start) for home in street.homes]
    late = [sum(_kept(chapter, home, 0)) - sum(own[home]) for home in street.homes]
    shown = _by_the_meters(chapter)
    told, billed, (total,) = bills(chapter), statements(chapter), totals(chapter)
    little = [
        int(one["amount"]) == private_bills.opened(home, own[home], *day)
        for home, one in enumerate(told)
    ]
    right = [
        bill["amount_micro"] == private_bills.cost(home, own[home], *day)
        for home, bill in billed.items()
    ]
    money = sum(bill["amount_micro"] for bill in billed.values()) / UNIT
    used, members = sum(map(sum, own)), _members(chapter, total["set_id"])
    in_set = sum(
        sum(values)
        for meter, values in zip(chapter.meters, own, strict=True)
        if meter in members
    )
    whole = [sum(o) + w == s for o, w, s in zip(own, late, shown, strict=True)]
    rows = [
        ("homes that tell nobody their usage", f"{len(billed)}"),
        ("  whose own record is what the meter's register moved", f"{sum(whole)}"),
        (
            "  whose device opened one number of the day, and that right",
            f"{sum(little)}",
        ),
        ("  whose bill is what that record costs at its tariff", f"{sum(right)}"),
        (f"the bills together, {CURRENCY}", f"{money:,.2f}"),
        ("Wh by the meters' registers", f"{sum(shown):,}"),
        ("  = Wh of the day by the homes' own records", f"{used:,}"),
        ("  + Wh read late at midnight, of the day before", f"{sum(late):,}"),
        ("homes whose day was proved at the set's cut-off", f"{total['count']}"),
        ("  Wh of their day by their own records", f"{in_set:,}"),
        ("  Wh of their day by the total two trustees unmasked", f"{total['value']:,}"),
    ]
    width = max(len(name) for name, _ in rows)
    chapter.say("\n".join(["", *(f"  {n:{width}}  {v:>15}" for n, v in rows), ""]))
    chapter.say(private_bills.shown(_detailed(chapter, billed), own))
    return all([*whole, *little, *right, total["value"] == in_set])


def _detailed(
    chapter: Chapter, billed: Mapping[int, Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """Return the bills of the first two homes with their lines."""
    return {
        home: chapter.street.api.get(f"/v1/bills/{billed[home]['number']}")
        for home in sorted(billed)[:2]
    }


def _members(chapter: Chapter, set_id: int) -> set[str]:
    """Return the meters of a published total, by the headers it is over."""
    shown = chapter.street.api.get(f"/v1/network/totals/{set_id}/set")
    headers = [parse_header(bytes.fromhex(one["header"])) for one in shown["members"]]
    return {header.meter.hex() for header in headers}


def _kept(chapter: Chapter, home: int, since: int) -> tuple[int, ...]:
    """Return what a home's own device keeps to the day's end: Wh an interval, 0 untold."""
    street = chapter.street
    with closing(_opened(street.agent_folder(home) / "outbox.sqlite")) as box:
        ((chain,),) = box.execute("SELECT id FROM chains")
        kept = days.between(box, chain, since, street.end)
    return tuple(value or 0 for day in kept for value in day.values)


def _by_the_meters(chapter: Chapter) -> list[int]:
    """Return what each meter's import register moved from enrolment to the day's end."""
    street = chapter.street
    processes = street.processes
    processes.log("registers").unlink(missing_ok=True)
    arguments = ("registers", "--map", str(street.map_file), "--at", str(street.end))
    processes.run(Program("registers", sim_main(), arguments), SETTLED_WITHIN_S)
    shown = json.loads(processes.log("registers").read_text())["registers"]
    return [
        int(shown[meter["serial"]]["import_wh"]) - int(meter["initial_import_wh"])
        for meter in street.meters
    ]


def verified(chapter: Chapter) -> bool:
    """Check a bill, what was opened for it and the total offline, with meterseal-verify."""
    (total,), opened, bill = totals(chapter), bills(chapter)[1], statements(chapter)[1]
    network = ["--network", chapter.street.api.get("/v1/network")["network"]]
    three = [w for one in chapter.helpers for w in ("--trustee", one.fingerprint)]
    api = chapter.street.api
    opened_file = api.content(f"/v1/private-bills/{opened['id']}/file")
    total_file = api.content(f"/v1/network/totals/{total['set_id']}/file")
    evidence = billing.evidence(chapter.street, bill["number"])
    good = [
        _verify(chapter, "opening", opened_file, network),
        _verify(chapter, "bill", evidence, network),
        _verify(chapter, "total", total_file, network + three),
    ]
    return all(good)


def _verify(chapter: Chapter, name: str, content: bytes, known: list[str]) -> bool:
    from meterseal_proto.verify import main

    street = chapter.street
    file = street.plan.folder / f"{name}.file"
    file.write_bytes(content)
    program = Program(f"verify-{name}", lambda _: main([str(file), *known]), ())
    chapter.say(f"meterseal-verify: {name}")
    try:
        street.processes.run(program, SETTLED_WITHIN_S)
    except Failed as failed:
        chapter.say(str(failed))
        return False
    said = street.processes.log(program.name).read_text().rstrip()
    chapter.say("    " + said.replace("\n", "\n    "))
    return True


def searched(chapter: Chapter) -> bool:
    """Search all that others hold for usage, and a device's own file, which has it."""
    street = chapter.street
    homes = [_home(chapter, home) for home in street.homes]
    usage, plan = Usage.of(homes), street.plan
    files = [
        *(f for one in _OTHERS for f in (plan.folder / one).rglob("*") if f.is_file()),
        *(f for f in (plan.folder / "logs").glob("*.log") if f.name not in _METERS),
    ]
    report = search.search(
        usage, [f for f in files if not f.name.endswith(_NO_CONTENT)]
    )
    own = search.search(Usage.of(homes[:1]), [street.agent_folder(0) / "outbox.sqlite"])
    chapter.say(
        f"  searched for {sum(len(h.moved) for h in homes):,} intervals: {report.files}"
        f" files, {report.cells:,} columns and logs, {report.size / 1e6:.1f} MB:"
        f" {len(report.findings)} found"
    )
    chapter.say(
        f"  the same search in one device's own file: {len(own.findings)} found,"
        f" so it finds what is there"
    )
    for finding in report.findings:
        chapter.say(f"    {finding}")
    return not report.findings and bool(own.findings)


def _home(chapter: Chapter, home: int) -> Home:
    """Return what is looked for of a home: its intervals and its register at their ends."""
    meter, moved = chapter.street.meters[home], _kept(chapter, home, 0)
    shown = [int(meter["initial_import_wh"])]
    for wh in moved:
        shown.append(shown[-1] + wh)
    return Home(f"home-{home:02d}", tuple(shown), moved)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
