"""Telling how the agent does: the status file, systemd, the metrics page, the operator.

The status passes through the outbox's and the ring's threads, so a card that hangs is not
reported as well; and systemd hears of life only while every duty gets on. This module
must never send anything itself: a health record waits for the courier.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Final

from meterseal_agent.run import health, metrics
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.health_record import FILE, Who, health_record
from meterseal_agent.run.status import Document, Status
from meterseal_agent.uplink.beside import Post
from meterseal_proto.health import sign_health

STATUS_S: Final = 5.0
"""Between two status files, and two signs of life to systemd; real seconds."""

_log = logging.getLogger("meterseal.run")


class Telling:
    """The duty; `every_s` is the real time between two health records."""

    def __init__(
        self, status: Status, enrolment: Enrolment, wake: Callable[[], None]
    ) -> None:
        self.status = status
        self.every_s = 300
        self._wake = wake
        self._key = enrolment.keys.seal_key
        self._who = Who(enrolment.network, enrolment.answer.agent, status.since)
        self._document: Document | None = None
        self._told_at: float | None = None
        self._waiting: bytes | None = None

    async def run(self) -> None:
        """Write the status file and the signs of life, for ever."""
        health.notify("READY=1")
        while True:
            document, alarms = await self._look(running=True)
            late = document["duties_late"]
            if late:
                _log.error("duties_late duties=%s", ",".join(late))
            else:
                health.notify("WATCHDOG=1")
            self._tell_operator(document, alarms)
            await asyncio.sleep(STATUS_S)

    async def last_words(self) -> None:
        """Write the status file once more, true after the end."""
        await self._look(running=False)

    def metrics_page(self) -> str:
        """Return the metrics of the last status; empty before the first."""
        return metrics.exposition(self._document) if self._document else ""

    def next_post(self) -> Post | None:
        """Return the health record that has not been taken yet, the latest only."""
        payload = self._waiting
        if payload is None:
            return None

        async def taken() -> None:
            if self._waiting is payload:
                self._waiting = None

        return Post("health", payload, taken)

    async def _look(self, *, running: bool) -> tuple[Document, list[health.Alarm]]:
        document = await self.status.document(running=running)
        alarms = self.status.find_alarms(document)
        document["alarms"] = [alarm.text for alarm in alarms]
        health.write(self.status.folder, document)
        self._document = document
        return document, alarms

    def _tell_operator(self, document: Document, alarms: list[health.Alarm]) -> None:
        now = asyncio.get_running_loop().time()
        if self._told_at is not None and now - self._told_at < self.every_s:
            return
        self._told_at = now
        names = [alarm.name for alarm in alarms]
        payload = sign_health(health_record(self._who, document, names), self._key)
        draft = self.status.folder / f".{FILE}.{os.getpid()}"
        draft.write_bytes(payload)
        draft.chmod(0o600)
        draft.replace(self.status.folder / FILE)
        self._waiting = payload
        self._wake()
