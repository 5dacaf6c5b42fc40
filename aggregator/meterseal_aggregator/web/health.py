"""Whether we live, whether we can work, and the numbers behind it.

Liveness and readiness are for everybody and say one word. The metrics page wants a
token; it counts messages and duties, never watt-hours of anybody.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.accept import Fate
from meterseal_aggregator.privacy.trustees import store as trustees
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.web.auth import Asking, TheSite
from meterseal_aggregator.web.gauges import Watched, watch
from meterseal_aggregator.web.shapes import Site, View
from meterseal_proto.errors import Reason

router = APIRouter(tags=["health"])

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_GAUGES: Final = frozenset({"connections", "queued"})


class Live(View):
    """We answer."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def live() -> Live:
    """Tell that the process answers."""
    return Live()


@router.get("/readyz")
async def ready(site: TheSite) -> Live:
    """Tell that the database answers as well."""
    async with site.database.reading() as tx:
        await tx.rows("SELECT 1")
    return Live()


@router.get("/metrics", response_class=Response)
async def metrics(access: Asking) -> Response:
    """Give the metrics in Prometheus' text format (role metrics or operator)."""
    access.allow(Action.SEE_METRICS)
    async with access.site.database.reading() as tx:
        size, waiting = await log.indexed(tx), await log.waiting(tx)
        sets = await trustees.counts(tx)
        watched = await watch(tx, int(access.site.now()))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(access.site, _Log(size, waiting), sets, watched))
    return Response(generate_latest(registry), 200, media_type=MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class _Log:
    """Entries of the log that have an index, and that wait for one."""

    size: int
    waiting: int


class _Page(Collector):
    """One scrape: our counts as Prometheus' families."""

    def __init__(
        self, site: Site, log: _Log, sets: tuple[int, int, int], watched: Watched
    ) -> None:
        self._sets = sets
        self._site = site
        self._log = log
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        yield from self._uplink()
        yield from self._intake()
        yield from self._duties()
        yield from self._beside()
        gauge = GaugeMetricFamily
        waiting, closed, absent = self._sets
        yield gauge("meterseal_sets_waiting", "Sets without a total yet", waiting)
        yield gauge("meterseal_sets_closed", "Sets that have no total", closed)
        yield gauge("meterseal_absent_days", "Receipted, in no set (alarm)", absent)
        yield gauge("meterseal_log_entries", "Entries with an index", self._log.size)
        yield gauge(
            "meterseal_log_waiting", "Entries without an index", self._log.waiting
        )
        yield from self._watched.families()

    def _uplink(self) -> Iterator[Metric]:
        for name, value in asdict(self._site.uplink).items():
            if name in _GAUGES:
                yield GaugeMetricFamily(f"meterseal_uplink_{name}", name, value)
            else:
                bare = name.removesuffix("_total")
                yield CounterMetricFamily(f"meterseal_uplink_{bare}", bare, value)

    def _intake(self) -> Iterator[Metric]:
        tally = self._site.intake
        seals = CounterMetricFamily(
            "meterseal_seals", "Seals by what became of them", labels=["fate"]
        )
        for fate in Fate:
            seals.add_metric([fate.value], tally.fates[fate])
        yield seals
        reasons = CounterMetricFamily(
            "meterseal_refusals", "Reasons given", labels=["reason"]
        )
        for reason in Reason:
            reasons.add_metric([reason.text], tally.reasons[reason])
        yield reasons

    def _beside(self) -> Iterator[Metric]:
        told, errands = self._site.beside, self._site.errands
        if told is not None:
            yield _counted("beside_kept", "Telemetry, health: kept", "kind", told.kept)
            yield _counted(
                "beside_refused", "Telemetry, health: refused", "reason", told.refused
            )
        if errands is not None:
            yield _counted("errands_taken", "Errands: taken", "kind", errands.taken)
            yield _counted(
                "errands_refused", "Errands: refused", "reason", errands.refused
            )

    def _duties(self) -> Iterator[Metric]:
        columns = ("runs", "done", "failures")
        for column in columns:
            family = CounterMetricFamily(
                f"meterseal_duty_{column}", f"Duties: {column}", labels=["duty"]
            )
            for name, tally in sorted(self._site.duties.items()):
                family.add_metric([name], getattr(tally, column))
            yield family
        last = GaugeMetricFamily(
            "meterseal_duty_last_success_seconds", "Unix time", labels=["duty"]
        )
        for name, tally in sorted(self._site.duties.items()):
            if tally.last_success_at is not None:
                last.add_metric([name], tally.last_success_at)
        yield last


def _counted(name: str, text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(f"meterseal_{name}", text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
