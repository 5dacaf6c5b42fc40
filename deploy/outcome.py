"""What a rehearsed day came to, each number from whoever answers for it.

Registers from the meters, sealed intervals from the agents, readings, credits and log from
the aggregator's API. It must never add up what a program already added up for itself.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from deploy.processes import Failed, Program
from deploy.street import Street, registers
from meterseal_proto.units import EXPORT, IMPORT, obis_text

SETTLED_WITHIN_S: Final = 180.0
_METRIC: Final = re.compile(
    r'^meterseal_(\w+)_total\{\w+="([\w-]+)"\} (\S+)$', re.MULTILINE
)
_SIZE_LINE: Final = 1  # of a checkpoint: origin, size, root


@dataclass(frozen=True, slots=True)
class Outcome:
    """A day's sums: intervals as counts, energy in Wh; `refused_credit` is by cause."""

    homes: int
    sealed: int
    accepted: int
    duplicates: int
    refused: int
    quarantined: int
    register_import_wh: int
    register_export_wh: int
    import_wh: int
    export_wh: int
    credits_wh: int
    refused_credit: dict[str, int]
    kept_wh: int
    bought_wh: int
    fed_in_wh: int
    log_size: int
    checkpoint: str

    @property
    def register_wh(self) -> int:
        """What the meters' registers moved, both directions."""
        return self.register_import_wh + self.register_export_wh

    @property
    def accepted_wh(self) -> int:
        """What the aggregator accepted, both directions."""
        return self.import_wh + self.export_wh

    @property
    def holds(self) -> bool:
        """Registers = accepted, each way, accepted = credits + imports + refused, each used once."""
        return (
            self.register_import_wh == self.import_wh
            and self.register_export_wh == self.export_wh
            and self.settled
            and self.accepted > 0
        )

    @property
    def settled(self) -> bool:
        """Whether every accepted export is credited or refused for a cause, and used once."""
        used_wh = self.bought_wh + self.fed_in_wh + self.kept_wh
        return (
            self.export_wh == self.credits_wh + sum(self.refused_credit.values())
            and self.credits_wh == used_wh
        )

    @property
    def told(self) -> bool:
        """Whether every agent has said of all that was accepted that it sealed it."""
        return self.sealed >= self.accepted

    def to_json(self) -> str:
        """One JSON object with every number and whether the equation holds."""
        return json.dumps(asdict(self) | {"holds": self.holds})


def progress(street: Street) -> str:
    """Return one line: the street's time, what was answered, what waits in outboxes."""
    statuses = [status for home in street.homes if (status := street.status(home))]
    seen = sum(status["sampling"]["records"] for status in statuses)
    waiting = sum(row["records"] for status in statuses for row in status["registers"])
    clock = datetime.fromtimestamp(street.now(), UTC)
    return f"  {clock:%H:%M}  {seen:6d} intervals metered, {waiting:4d} waiting for a receipt"


def day_is_receipted(street: Street) -> bool:
    """Tell whether every register of every home is accounted for to the day's end."""
    for home in street.homes:
        status = street.status(home)
        if status is None or not status["registers"]:
            return False
        if any(row["end"] < street.end for row in status["registers"]):
            return False
    return True


def meters_are_missed(street: Street, moment: int) -> bool:
    """Tell whether every agent found all its meters silent, and said so after `moment`.

    A meter is asked again only when what it answered before is kept: from then on no
    agent has more to seal.
    """
    for home in street.homes:
        status = street.status(home)
        if status is None or status["at"] <= moment:
            return False
        if not all(row["failures"] for row in status["meters"]):
            return False
    return True


def drained(street: Street, moment: int) -> bool:
    """Tell whether every agent said after `moment` that nothing waits for a receipt."""
    for home in street.homes:
        status = street.status(home)
        if status is None or status["at"] <= moment:
            return False
        if any(row["records"] or row["seals"] for row in status["registers"]):
            return False
    return True


def laggards(street: Street) -> str:
    """Name the homes whose day is not receipted, with what their agents complain of."""
    lines = []
    for home in street.homes:
        status = street.status(home)
        rows = status["registers"] if status else []
        if not rows or any(row["end"] < street.end for row in rows):
            said = "; ".join(status["alarms"]) if status else "no status yet"
            lines.append(f"  home {home}: {said or 'behind'}")
    return "\n".join(lines)


def gather(street: Street, fed_in_wh: int = 0) -> Outcome:
    """Ask every part for its numbers; raises Failed when a part does not answer.

    `fed_in_wh` is what its producers say they gave to the utility.
    """
    api = street.api
    sums = {obis_text(IMPORT): 0, obis_text(EXPORT): 0}
    accepted = credited = 0
    refused: dict[str, int] = defaultdict(int)
    for meter in api.pages("/v1/meters"):
        for register in sums:
            for row in slots(street, meter["meter"], register, "readings"):
                accepted += 1
                sums[register] += row["delta"]
        for row in slots(street, meter["meter"], obis_text(EXPORT), "credits"):
            if row["cause"]:
                refused[row["cause"]] += row["wh"]
            else:
                credited += row["wh"]
    fates = _fates(api.text("/metrics"))
    shown, held = _registers(street), _held(street)
    checkpoint = api.text("/v1/log/checkpoint")
    return Outcome(
        homes=len(street.meters),
        sealed=sum(
            s["sampling"]["records"] for h in street.homes if (s := street.status(h))
        ),
        accepted=accepted,
        duplicates=fates.get("duplicate", 0),
        refused=fates.get("refused", 0),
        quarantined=fates.get("quarantined", 0),
        register_import_wh=shown["import_wh"],
        register_export_wh=shown["export_wh"],
        import_wh=sums[obis_text(IMPORT)],
        export_wh=sums[obis_text(EXPORT)],
        credits_wh=credited,
        refused_credit=dict(refused),
        kept_wh=held["producer"],
        bought_wh=held["buyer"] + held["retired"],
        fed_in_wh=fed_in_wh,
        log_size=int(checkpoint.splitlines()[_SIZE_LINE]),
        checkpoint=checkpoint,
    )


def table(outcome: Outcome, *, seconds: float) -> str:
    """Return the table a person reads at the end."""
    rows = [
        ("homes", f"{outcome.homes}"),
        ("intervals sealed", f"{outcome.sealed:,}"),
        ("  accepted", f"{outcome.accepted:,}"),
        ("  duplicate", f"{outcome.duplicates:,}"),
        ("  refused or quarantined", f"{outcome.refused + outcome.quarantined:,}"),
        ("Wh by the meters' registers", f"{outcome.register_wh:,}"),
        ("Wh accepted", f"{outcome.accepted_wh:,}"),
        ("  = credits minted", f"{outcome.credits_wh:,}"),
        ("      = traded", f"{outcome.bought_wh:,}"),
        ("      + fed in", f"{outcome.fed_in_wh:,}"),
        ("      + kept", f"{outcome.kept_wh:,}"),
        ("  + imports", f"{outcome.import_wh:,}"),
        *(
            (f"  + export refused as {cause}", f"{wh:,}")
            for cause, wh in outcome.refused_credit.items()
        ),
        ("the equation", "holds" if outcome.holds else "DOES NOT HOLD"),
        ("log entries under the checkpoint", f"{outcome.log_size:,}"),
        ("seconds, set-up of the street included", f"{seconds:.0f}"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:{width}}  {value:>15}" for name, value in rows]
    root = outcome.checkpoint.splitlines()[:3]
    return "\n".join(["", *lines, f"  checkpoint: {' / '.join(root)}", ""])


def verify_one(
    street: Street, say: Callable[[str], None], more: Sequence[str] = ()
) -> bool:
    """Fetch one reading's evidence and check it with meterseal-verify; True when it passes.

    `more` are further options of meterseal-verify.
    """
    from meterseal_proto.verify import main

    best = (-1, "", "")
    for meter in street.api.pages("/v1/meters"):
        for row in slots(street, meter["meter"], obis_text(EXPORT), "readings"):
            best = max(
                best, (int(row["delta"]), str(row["seal"]), str(meter["serial"]))
            )
    delta_wh, seal, serial = best
    bundle = street.plan.folder / "bundle.json"
    bundle.write_text(street.api.text(f"/v1/seals/{seal}/bundle"))
    say(f"meterseal-verify: the interval of {delta_wh} Wh exported by meter {serial}")

    def verify(_: object) -> int:
        return main([str(bundle), *more])

    try:
        street.processes.run(Program("verify", verify, ()), SETTLED_WITHIN_S)
    except Failed as failed:
        say(str(failed))
        return False
    say(
        "    "
        + street.processes.log("verify").read_text().rstrip().replace("\n", "\n    ")
    )
    return True


def slots(
    street: Street, meter: str, register: str, what: str
) -> list[dict[str, Any]]:  # JSON rows
    """A register's readings or credits, from before its enrolment to the day's end."""
    path = f"/v1/meters/{meter}/registers/{register}/{what}"
    rows: list[dict[str, Any]] = []
    begin: int | None = street.enrolled_from
    while begin is not None:
        page = street.api.get(path, **{"from": begin, "limit": 500})
        rows += page["items"]
        begin = int(page["next"]) if page["next"] else None
    return rows


def _held(street: Street) -> dict[str, int]:
    """Return the Wh that members made, bought, and used on their bills."""
    held = {"producer": 0, "buyer": 0, "retired": 0}
    for member in street.api.pages("/v1/members"):
        for row in street.api.get(f"/v1/members/{member['id']}/balances")["items"]:
            kind = row["account"].partition(":")[0]
            if kind in held:
                held[kind] += row["held"]
    return held


def _fates(metrics: str) -> dict[str, int]:
    found = _METRIC.findall(metrics)
    return {label: int(float(value)) for name, label, value in found if name == "seals"}


def _registers(street: Street) -> dict[str, int]:
    """What the meters' registers moved from enrolment to the day's end."""
    shown = registers(street, street.end)
    moved = {"import_wh": 0, "export_wh": 0}
    for meter in street.meters:
        for name in moved:
            moved[name] += shown[meter["serial"]][name] - meter[f"initial_{name}"]
    return moved
