"""The status document: what every part of a running agent says of itself, put together.

It is what `show`, `top`, the metrics page and the health record are made of, so it must
never hold a register's value.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from meterseal_agent.outbox.store import Outbox
from meterseal_agent.run import health
from meterseal_agent.run.clock_quality import clock_quality
from meterseal_agent.run.committing import AGAIN_CAP_S, PROOF_LIMIT_S, Committing
from meterseal_agent.run.duties import Duties, Progress
from meterseal_agent.run.errands import Errands
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.polling import Polling
from meterseal_agent.run.reload import Reload
from meterseal_agent.run.remembering import Remembering
from meterseal_agent.run.sampling import Sampling
from meterseal_agent.run.telemetry import Telemetry
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import Clock
from meterseal_agent.seal import Sealer
from meterseal_agent.uplink.beside import Courier
from meterseal_agent.uplink.deliver import Uplink
from meterseal_proto.spans import seconds
from meterseal_proto.units import MeterId

LIMITS_S: Final = {
    "meters": 120.0,
    "uplink": 180.0,
    "telemetry": 180.0,
    "prune": 3600.0,
    "committed": PROOF_LIMIT_S + AGAIN_CAP_S + 300.0,
}
"""Real seconds a duty may stand still: several times its longest pause, and the slowest
card. A prover may take as long as it is given, and the pause after many failures is the
longest: neither is standing still."""
CLOCK_STATES: Final = {Clock.UNSET: 0, Clock.DOUBTFUL: 1, Clock.TRUSTED: 2}

Document = dict[str, Any]  # Any: a JSON document


@dataclass(frozen=True, slots=True)
class Parts:
    """What is asked."""

    folder: Path
    times: Times
    outbox: Outbox
    thread: FileThread
    sealer: Sealer
    sampling: Sampling
    polling: Polling
    uplink: Uplink
    courier: Courier
    telemetry: Telemetry
    errands: Errands
    committing: Committing | None
    remembering: Remembering | None
    duties: Duties
    reload: Reload | None


class Status:
    """Asks the parts; `pruned` counts how often the outbox was looked through."""

    def __init__(
        self,
        parts: Parts,
        serials: Mapping[MeterId, str],
        pruned: Callable[[], int],
    ) -> None:
        self._parts = parts
        self._serials = serials
        self._pruned = pruned
        limits = dict(LIMITS_S)
        if parts.committing is None:
            del limits["committed"]
        self._progress = Progress(limits, asyncio.get_running_loop().time())
        self.since = int(parts.times.now())
        self.last_receipt: int | None = None

    @property
    def folder(self) -> Path:
        """Where the status file lies."""
        return self._parts.folder

    async def document(self, *, running: bool) -> Document:
        """Return the status of now, alarms included; it passes through the threads."""
        parts, now = self._parts, int(self._parts.times.now())
        depths = await parts.thread.do(parts.outbox.depths)
        return {
            "at": now,
            "since": self.since,
            "running": running,
            "registers": health.register_rows(
                depths, self._serials, parts.sealer.committed
            ),
            "meters": health.meter_rows(parts.polling.health(), self._serials),
            "outbox": self._outbox(),
            "sampling": {
                "samples": parts.sampling.counters.samples,
                "records": parts.sampling.counters.records,
            },
            "uplink": asdict(parts.uplink.counters),
            "beside": asdict(parts.courier.counters),
            "telemetry": await self._telemetry(),
            "memory": parts.remembering.trouble if parts.remembering else "",
            "errands": {
                **asdict(parts.errands.counters),
                "trouble": parts.errands.trouble,
            },
            "clock": self._clock(),
            "config": asdict(parts.reload.state) if parts.reload else None,
            "last_receipt": self.last_receipt,
            "duties_failed": dict(parts.duties.failures),
            "duties_late": self._late(),
        }

    def find_alarms(self, document: Document) -> list[health.Alarm]:
        """Return what is wrong."""
        clock = self._parts.sampling.counters.clock
        return health.find_alarms(document, clock=clock, now=document["at"])

    def _outbox(self) -> Document:
        parts, sampling = self._parts, self._parts.sampling.counters
        return {
            "full": sampling.full,
            "refused_full": sampling.refused_full,
            "disk_failures": sampling.disk_failures,
            "damaged": len(parts.sealer.damaged),
            "max_bytes": parts.outbox.max_bytes,
        }

    async def _telemetry(self) -> Document | None:
        """Return how full the ring is, and each meter's gaps; None without telemetry."""
        telemetry = self._parts.telemetry
        state = await telemetry.state()
        if state is None:
            return None
        missing = await telemetry.missing()
        return {
            **asdict(state),
            "lost": telemetry.counters.lost,
            "samples": telemetry.counters.samples,
            "gaps": [
                {
                    "serial": self._serials.get(meter, ""),
                    "spans": len(spans),
                    "seconds": seconds(spans),
                    "since": spans[0].begin if spans else None,
                }
                for meter, spans in missing.items()
            ],
        }

    def _clock(self) -> Document:
        """Return how far samples' times are trusted, and what the system says of them."""
        judged = self._parts.sampling.counters.clock
        return {"state": CLOCK_STATES[judged], **asdict(clock_quality())}

    def _late(self) -> list[str]:
        parts = self._parts
        counts = {
            "meters": parts.polling.turns,
            "uplink": parts.uplink.counters.turns,
            "telemetry": parts.telemetry.counters.turns,
            "prune": self._pruned(),
        }
        if parts.committing is not None:
            counts["committed"] = parts.committing.turns
        return self._progress.look(counts, asyncio.get_running_loop().time())
