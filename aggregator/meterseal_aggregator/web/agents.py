"""How an agent does, by its own signed word: for the operator who looks after it.

It must never be shown to anybody else: counts of a house's devices are the house's.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.beside import store
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import View
from meterseal_proto.health import open_health
from meterseal_proto.topics import MAX_NAME
from meterseal_proto.units import obis_text

router = APIRouter(prefix="/v1/agents", tags=["agents"])

AgentName = Annotated[str, Path(pattern=rf"^[A-Za-z0-9_-]{{1,{MAX_NAME}}}$")]


class ClockView(View):
    """The device's clock: `state` 0 never set, 1 doubtful, 2 trusted."""

    state: int
    offset_us: int | None
    synced_at: int | None


class MeterHealthView(View):
    """Readings answered and missed since the agent began, failures in a row now."""

    meter: str
    answers: int
    missed: int
    failures: int


class RegisterHealthView(View):
    """How far a register is sealed, and what waits for a receipt."""

    meter: str
    obis: Annotated[str, Field(serialization_alias="register")]
    seq: int
    end: int
    records: int
    seals: int


class HealthView(View):
    """An agent's last record, signed by its device; times in UTC Unix seconds.

    `payload` is the record as it came, hex, for whoever wants to check the signature.
    """

    agent: str
    at: int
    received_at: int
    since: int
    version: str
    clock: ClockView
    meters: list[MeterHealthView]
    registers: list[RegisterHealthView]
    counts: dict[str, int]
    alarms: list[str]
    payload: str


@router.get("/{agent}/health")
async def show_health(agent: AgentName, access: Asking) -> HealthView:
    """Show an agent's last health record (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        kept = await store.last_health(tx, agent)
    if kept is None:
        raise not_found("health record")
    record = open_health(kept.payload).record
    clock = record.clock
    return HealthView(
        agent=record.agent,
        at=record.at,
        received_at=kept.received_at,
        since=record.since,
        version=record.version,
        clock=ClockView(
            state=clock.state, offset_us=clock.offset_us, synced_at=clock.synced_at
        ),
        meters=[
            MeterHealthView(
                meter=m.meter.hex(),
                answers=m.answers,
                missed=m.missed,
                failures=m.failures,
            )
            for m in record.meters
        ],
        registers=[
            RegisterHealthView(
                meter=r.meter.hex(),
                obis=obis_text(r.register),
                seq=r.seq,
                end=r.end,
                records=r.records,
                seals=r.seals,
            )
            for r in record.registers
        ],
        counts=dict(record.counts),
        alarms=list(record.alarms),
        payload=kept.payload.hex(),
    )
