"""What a report says: every configured meter read, checked and timed, one after another.

It reads only. A meter that does not answer is a finding; it must never end the survey of
the others. A report is carried out of the house: of a meter with a committed register it
must never hold what a register shows, for two reports would tell what was used between,
nor a voltage, current or power.
"""

import contextlib
import time
from dataclasses import dataclass

from meterseal_agent.commissioning.finding import Finding, bad
from meterseal_agent.commissioning.phases import phases
from meterseal_agent.commissioning.private import veiled
from meterseal_agent.commissioning.quality import Outcome, Quality
from meterseal_agent.commissioning.report import Body, finding_rows
from meterseal_agent.commissioning.wiring import Site, check
from meterseal_agent.config import Config
from meterseal_agent.keystore import Keystore, read_small
from meterseal_agent.resident.paper import shown_fingerprint
from meterseal_agent.run import meters
from meterseal_agent.run.health_record import software_version
from meterseal_agent.run.times import Times
from meterseal_agent.technician.quality import figures
from meterseal_agent.technician.subject import Subject, of_wired
from meterseal_proto.enrolment import EnrolmentAnswer, EnrolmentRequest
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import obis_text


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is there and where, and how often each line is read."""

    technician: str
    place: str
    site: Site
    reads: int


async def survey(config: Config, times: Times, visit: Visit) -> Body:
    """Return the body of a report; KeystoreError when there is no device yet."""
    store = Keystore(config.data_dir)
    answer = store.answer()
    wired = meters.wire(config.meters, times)
    return {
        "at": int(times.now()),
        "clock_kept": times.synchronised(),
        "technician": visit.technician,
        "place": visit.place,
        "version": software_version(),
        "agent": answer.agent if answer else "",
        "network": answer.network_name if answer else "",
        "enrolled": _enrolled(store, answer),
        "page": _page(store, config),
        "meters": [await _meter(one, int(times.now()), visit) for one in wired],
    }


def _page(store: Keystore, config: Config) -> Body:
    """Return where the resident's page is and its fingerprint; {} where there is none."""
    if config.resident is None:
        return {}
    shown = shown_fingerprint(store, config.resident, time.time())
    return {"at": config.resident.url, "sha256": shown}


async def _meter(wired: meters.Wired, now: int, visit: Visit) -> Body:
    subject = of_wired(wired)
    row: Body = {
        "serial": wired.config.serial,
        "model": wired.model,
        "line": wired.config.spot,
        "capacity_w": wired.config.capacity_w,
        "at": now,
        "registers": {},
        "values": {},
        "quality": None,
    }
    try:
        sample = await subject.read()
        sealed = meters.sealed(wired, sample)
        findings = check(phases(sample.values), visit.site, sample.power_w)
        if wired.config.bits:
            findings = veiled(findings)
        else:
            row["registers"] = {obis_text(r): value for r, value in sealed.items()}
            row["values"] = {
                obis_text(register): value
                for register, value in sorted(sample.values.items())
            }
        row["quality"], told = await _line(subject, visit.reads)
        findings += told
    except Unavailable as trouble:
        findings = [bad("meter", str(trouble))]
    finally:
        subject.close()
    row["findings"] = finding_rows(findings)
    return row


async def _line(subject: Subject, reads: int) -> tuple[Body | None, list[Finding]]:
    if subject.modbus is None or not reads:
        return None, []
    run, findings = await figures(
        subject, reads, subject.modbus.timing.timeout_s, _mute
    )
    return _quality(run), findings


def _mute(_text: str) -> None:
    """Say nothing: the report says it."""


def _quality(run: Quality) -> Body:
    counts = {outcome.value: run.counts[outcome] for outcome in Outcome}
    return {
        "reads": run.tries,
        **counts,
        "half_within_ms": round(run.percentile_ms(50)),
        "longest_ms": round(run.percentile_ms(100)),
    }


def _enrolled(store: Keystore, answer: EnrolmentAnswer | None) -> list[Body]:
    """Return each register as it stood when it was enrolled: both sides signed that."""
    text = read_small(store.paths.request) if answer else None
    if text is None:
        return []
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return [
            {
                "serial": meter.serial,
                "register": obis_text(row.register),
                "value": row.value,
                "at": row.at,
                "step": row.step,
            }
            for meter in EnrolmentRequest.from_json(text).meters
            for row in meter.registers
        ]
    return []
