"""`report`: the commissioning report, as signed JSON and as a PDF; made again later, diffed.

Its format is written down in `commissioning.report`. It needs no network but the meters'.
It must never write over a report that is there.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from meterseal_agent.commissioning.report import Body, diff, open_report, sign, well
from meterseal_agent.config import Config, load
from meterseal_agent.keystore import Keystore, KeystoreError
from meterseal_agent.run.times import from_environment
from meterseal_agent.technician.clocktext import when
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.pdf import pdf
from meterseal_agent.technician.survey import Visit, survey
from meterseal_agent.technician.wiring import site_of
from meterseal_proto.keys import PublicKey, SealKey

Say = Callable[[str], None]


def report(options: argparse.Namespace, say: Say) -> int:
    """Make a report, or verify one; 0 when nothing has to be mended, else 1."""
    if options.verify:
        return _verified(Path(options.verify), say)
    old = _opened(Path(options.diff)) if options.diff else None
    config = load(Path(options.config), os.environ)
    key = _key(config)
    file = _new_file(options)
    body = _survey(config, options)
    made = sign(body, key)
    _write(file, json.dumps(made, indent=1).encode() + b"\n", say)
    if old is not None:
        _compare(old, body, key, say)
    if not options.no_pdf:
        _write(file.with_suffix(".pdf"), pdf(made), say)
    for meter in body["meters"]:
        for row in meter["findings"]:
            if row["grade"] != "ok":
                say(f"{row['grade']:5} {meter['serial']} {row['where']}: {row['text']}")
    return 0 if well(body) else 1


def _verified(path: Path, say: Say) -> int:
    body, signer = _opened(path)
    say(f"signed by {signer.algorithm} key {signer.raw.hex()}, and not changed since")
    say(f"agent {body.get('agent') or '-'}, {when(body.get('at', 0))}")
    return 0


def _survey(config: Config, options: argparse.Namespace) -> Body:
    visit = Visit(options.technician, options.place, site_of(options), options.reads)
    times = from_environment(assumed=config.assume_clock)
    return asyncio.run(survey(config, times, visit))


def _key(config: Config) -> SealKey:
    try:
        return Keystore(config.data_dir).keys().seal_key
    except KeystoreError as error:
        raise Complaint(f"a report is signed by the device's key: {error}") from error


def _opened(path: Path) -> tuple[Body, PublicKey]:
    try:
        return open_report(path.read_bytes())
    except OSError as error:
        raise Complaint(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Complaint(f"{path}: {error}") from error


def _compare(old: tuple[Body, PublicKey], body: Body, key: SealKey, say: Say) -> None:
    before, signer = old
    if signer.raw != key.public.raw:
        say("the old report was signed by another device key")
    try:
        lines = diff(before, body)
    except (AttributeError, KeyError, TypeError) as error:
        raise Complaint(
            f"the old report lacks {error}: it cannot be compared"
        ) from error
    say(f"since {when(before['at'])}:")
    for line in lines or ["nothing changed"]:
        say(f"  {line}")


def _new_file(options: argparse.Namespace) -> Path:
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    file = Path(options.out or f"commissioning-{stamp}.json").with_suffix(".json")
    for path in (file, file.with_suffix(".pdf")):
        if path.exists():
            raise Complaint(f"{path} is there already; name another with --out")
    return file


def _write(path: Path, content: bytes, say: Say) -> None:
    try:
        with path.open("xb") as out:
            out.write(content)
    except OSError as error:
        raise Complaint(f"{path} cannot be written: {error.strerror}") from error
    say(f"wrote {path}")
