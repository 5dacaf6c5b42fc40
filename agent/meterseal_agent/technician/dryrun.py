"""`dry-run`: the whole chain tried without putting a reading into it.

Meters are read once; a seal is rehearsed under a network id that does not exist; the
aggregator is asked who it is and compared with what enrolment said; the certificate is
looked at; the broker is dialled as this agent, unless the agent runs, whose connection
that would take; and the last true receipts are shown. With `--wait` it waits until the
running agent is given its next receipt. It must never publish anything.
"""

import argparse
import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from meterseal_agent.commissioning.post import EnrolmentRefused, getter
from meterseal_agent.commissioning.rehearsal import Shown, rehearse
from meterseal_agent.config import Config, ConfigError, load
from meterseal_agent.keystore import Keystore, KeystoreError
from meterseal_agent.meters.wire import TcpPlace
from meterseal_agent.run import health, meters
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.times import Times, from_environment
from meterseal_agent.technician.clocktext import span, when
from meterseal_agent.uplink.link import Link
from meterseal_proto.boundedjson import read_json
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.errors import Unavailable
from meterseal_proto.intervals import slot_start
from meterseal_proto.units import obis_text

NETWORK_PATH: Final = "/v1/network"
MAX_BRACKETS: Final = 64
SOON_DAYS: Final = 30
"""A certificate that ends within a month is worth a word before leaving the site."""
FRESH_S: Final = 60
"""A status file this young was written by an agent that runs; real seconds."""
LOOK_S: Final = 0.2

Say = Callable[[str], None]
Document = dict[str, Any]  # Any: a JSON document


def dry_run(options: argparse.Namespace, say: Say) -> int:
    """Print a line for each part of the chain; 0 when every one is well, else 1."""
    config = load(Path(options.config), os.environ)
    clocks = from_environment(assumed=config.assume_clock)
    return asyncio.run(_Rehearsal(config, clocks, say).all(options.wait))


class _Rehearsal:
    def __init__(self, config: Config, times: Times, say: Say) -> None:
        self._config = config
        self._times = times
        self._say = say
        self._well = True
        self._shown = 0

    async def all(self, wait_s: int) -> int:
        self._say("ok    configuration")
        await self._step("clock", self._clock())
        for wired in meters.wire(self._config.meters, self._times):
            await self._step(f"meter {wired.config.serial}", self._meter(wired))
        await self._step("seal", self._seal())
        await self._step("aggregator", self._aggregator())
        await self._step("certificate", self._certificate())
        await self._step("broker", self._broker())
        for name, text in self._receipts():
            self._say(f"      {name}: {text}")
        if wait_s:
            await self._step("receipt", self._next_receipt(wait_s))
        return 0 if self._well else 1

    async def _step(self, name: str, work: Awaitable[str]) -> None:
        try:
            text = await work
        except (ConfigError, KeystoreError, Unavailable, EnrolmentRefused) as error:
            self._well = False
            self._say(f"FAIL  {name}: {error}")
        except (KeyError, TypeError, ValueError) as error:
            self._well = False
            self._say(f"FAIL  {name}: it cannot be used: {error}")
        else:
            self._say(f"ok    {name}: {text}")

    async def _clock(self) -> str:
        if not self._times.synchronised():
            raise Unavailable("no time service keeps it: install chrony")
        return when(self._times.now())

    async def _meter(self, wired: meters.Wired) -> str:
        """Read it once; one whose line the running agent holds is asked of that."""
        end = wired.config.line.end
        shared = wired.config.speech.modbus and isinstance(end, TcpPlace)
        if self._runs() and not shared:
            return self._read_by_agent(wired.config.serial)
        try:
            sample = await wired.port.read(int(self._times.now()))
        finally:
            wired.line.close()
        shown = meters.sealed(wired, sample)
        self._shown = shown[wired.config.registers[-1]]
        return ", ".join(f"{obis_text(r)} = {value}" for r, value in shown.items())

    def _read_by_agent(self, serial: str) -> str:
        for row in self._status().get("meters", []):
            if row["serial"] == serial:
                if row["failures"]:
                    raise Unavailable(f"the running agent says: {row['trouble']}")
                return f"read by the running agent, {row['answers']} times"
        raise Unavailable("the running agent has no such meter: is it a new one?")

    async def _seal(self) -> str:
        """Seal a register's value for nobody."""
        key = Keystore(self._config.data_dir).keys().seal_key
        meter = self._config.meters[0]
        end = slot_start(int(self._times.now()), meter.step)
        shown = Shown(meter.registers[0], self._shown, end - meter.step, meter.step)
        return rehearse(shown, key)

    def _answer(self) -> EnrolmentAnswer:
        return Keystore(self._config.data_dir).enrolled()

    async def _aggregator(self) -> str:
        answer = self._answer()
        get = getter(self._config.aggregator_url, self._config.aggregator_ca)
        raw = await asyncio.to_thread(get, NETWORK_PATH)
        document = read_json(raw, brackets=MAX_BRACKETS)
        if not isinstance(document, dict):
            raise Unavailable("its answer is no JSON object")
        for key, ours in (
            ("log_key", answer.log_key),
            ("receipt_key", answer.receipt_key),
            ("chain_id", answer.chain_id),
            ("name", answer.network_name),
        ):
            if document.get(key) != ours:
                raise Unavailable(
                    f"it tells another {key} than at enrolment: ask its operator why"
                    " before you trust it"
                )
        return f"{self._config.aggregator_url} is network {answer.network_name}, keys as at enrolment"

    async def _certificate(self) -> str:
        answer = self._answer()
        paths = Keystore(self._config.data_dir).paths
        found = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
        key = load_pem_private_key(paths.tls_key.read_bytes(), None)
        if key.public_key() != found.public_key():
            raise KeystoreError(f"{paths.certificate} is not of {paths.tls_key}")
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [name.value for name in names] != [answer.agent]:
            raise KeystoreError(f"{paths.certificate} names another agent")
        # Certificates live by real time, whatever clock is rehearsed with.
        left = found.not_valid_after_utc - datetime.now(UTC)
        if left.total_seconds() <= 0:
            raise KeystoreError(f"it ended {found.not_valid_after_utc:%Y-%m-%d}")
        if found.not_valid_before_utc > datetime.now(UTC):
            raise KeystoreError("it is not valid yet: is this clock right?")
        soon = ", soon: ask for a new one" if left.days < SOON_DAYS else ""
        return f"of {answer.agent}, {left.days} days left{soon}"

    async def _broker(self) -> str:
        enrolment = Enrolment.load(self._config)
        where = f"{enrolment.address.host}:{enrolment.address.port}"
        status = self._status()
        if self._runs():
            if not status.get("uplink", {}).get("connected"):
                raise Unavailable(f"{where}: the running agent is not connected")
            return f"{where}: the running agent is connected; it was not disturbed"
        link = Link(
            enrolment.address,
            network=enrolment.answer.network_name,
            agent=enrolment.answer.agent,
        )
        try:
            await link.open()
        except ssl.SSLError as error:
            raise Unavailable(f"{where}: {error}") from error
        await link.close()
        return f"{where} let {enrolment.answer.agent} in, receipts can come"

    def _receipts(self) -> list[tuple[str, str]]:
        """Return the last receipt and every head, as the agent last told them."""
        status = self._status()
        if not status:
            return [("receipts", "none yet: the agent has not run")]
        last = status.get("last_receipt")
        told = f"the last one {when(last)}" if last else "none since the agent started"
        rows = [("receipts", told)]
        for row in status.get("registers", []):
            name = f"{row['serial']} {row['register']}"
            text = f"receipted up to seq {row['seq']}, {when(row['end'])}, head {row['hash']}"
            rows.append((name, text if row["seq"] else "nothing sealed yet"))
        return rows

    async def _next_receipt(self, wait_s: int) -> str:
        """Wait for the running agent's next receipt; it is the agent's, not ours."""
        before = self._status()
        if not before.get("running"):
            raise Unavailable("the agent does not run, so none will come")
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        while loop.time() < end:
            now = self._status()
            if (now.get("last_receipt") or 0) > (before.get("last_receipt") or 0):
                return f"came at {when(now['last_receipt'])}: the chain is whole"
            await asyncio.sleep(LOOK_S)
        raise Unavailable(f"none came in {span(wait_s)}; one comes after each slot")

    def _status(self) -> Document:
        return health.read(self._config.data_dir) or {}

    def _runs(self) -> bool:
        """Tell whether the agent runs: its status is young, in real seconds."""
        status = self._status()
        age = self._times.now() - int(status.get("at", 0))
        return bool(status.get("running")) and age / self._times.rate.speed <= FRESH_S
