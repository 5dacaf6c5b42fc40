"""The street's map: one JSON document that says where each meter answers.

Whoever reads meters (the demo, an agent's configuration, a technician) starts
from it, and `plan_of` rebuilds the very same street from it, so the truth at any
second can be asked without asking the meters. Must never hold a register value
after the start: that is what meters are for.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from meterseal_sim import faults
from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.shapes import Place
from meterseal_sim.street import Home, Plan, build

VERSION = 1
MODBUS = "modbus"
"""What is spoken where nothing else is said."""

# JSON read back is untyped; `plan_of` gives it its types again.
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a meter answers on TCP: Modbus TCP, or RTU frames (`framing` "rtu")."""

    host: str
    port: int
    unit: int
    framing: str = "tcp"
    protocol: str = MODBUS

    @property
    def place(self) -> str:
        """Say where, without the unit."""
        return f"{self.host}:{self.port}"

    def row(self) -> dict[str, object]:
        """Return the keys that an agent's configuration has for it."""
        told = {"framing": self.framing} if self.framing != "tcp" else {}
        told |= _spoken(self.protocol)
        return {"host": self.host, "port": self.port, **told, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """Where a meter is on a serial line: a device, its setting and the unit."""

    device: str
    pace: Pace
    unit: int
    protocol: str = MODBUS

    @property
    def place(self) -> str:
        """Say where, without the unit."""
        return f"{self.device} at {self.pace}"

    def row(self) -> dict[str, object]:
        """Return the keys that an agent's configuration has for it."""
        pace = self.pace
        return {
            "device": self.device,
            "baud": pace.baud,
            "bits": pace.bits,
            "parity": pace.parity,
            "stop": pace.stop,
            **_spoken(self.protocol),
            "unit": self.unit,
        }


AnyAddress = Address | SerialAddress


def document(plan: Plan, places: Iterable[tuple[Home, AnyAddress]]) -> Document:
    """Return the map of a street: `version`, `street` (the plan) and `meters`."""
    return {
        "version": VERSION,
        "street": _plan(plan),
        "meters": [_meter(plan, home, address) for home, address in places],
    }


def write(path: Path, content: Document) -> None:
    """Put the map on disk whole or not at all; raises Refused when it cannot."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as trouble:
        raise Refused(f"map {path} cannot be written: {trouble.strerror}") from None


def load(path: Path) -> Document:
    """Read a map; raises Refused when it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as trouble:
        raise Refused(f"map {path} cannot be read: {trouble}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise Refused(f"{path} is not a street map of version {VERSION}")
    return found


def plan_of(content: Document) -> Plan:
    """Return the plan that made this map; raises Refused when it is incomplete."""
    try:
        street = content["street"]
        start = int(street["start"])
        found = street["replay"]
        return Plan(
            homes=int(street["homes"]),
            seed=int(street["seed"]),
            start=start,
            days=int(street["days"]),
            replay=None if found is None else _replay(found),
            place=Place(**street["place"]),
            model=street["model"],
            models=tuple(street.get("models", ())),
            faults=tuple(faults.parse(text, start) for text in street["faults"]),
        )
    except (KeyError, TypeError, ValueError) as trouble:
        raise Refused(f"the street map lacks something: {trouble}") from None


def truth(content: Document, t: int) -> dict[str, dict[str, int]]:
    """Return the true registers at second `t`: serial to import_wh and export_wh."""
    return {
        home.serial: {
            "import_wh": (registers := home.registers_at(t)).import_wh,
            "export_wh": registers.export_wh,
        }
        for home in build(plan_of(content)).homes
    }


def quarters(content: Document) -> dict[str, list[dict[str, int]]]:
    """Return serial to quarter hours: start (UTC s), import_wh and export_wh gained."""
    return {
        home.serial: [
            {
                "start": quarter.start,
                "import_wh": quarter.import_wh,
                "export_wh": quarter.export_wh,
            }
            for quarter in home.quarters()
        ]
        for home in build(plan_of(content)).homes
    }


def _spoken(protocol: str) -> dict[str, str]:
    return {} if protocol == MODBUS else {"protocol": protocol}


def _plan(plan: Plan) -> dict[str, object]:
    place = plan.place
    return {
        "homes": plan.homes,
        "seed": plan.seed,
        "start": plan.start,
        "days": plan.days,
        "replay": None if plan.replay is None else _replay_text(plan.replay),
        "place": {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "utc_offset_s": place.utc_offset_s,
        },
        "model": plan.model,
        "models": list(plan.models),
        "faults": [faults.written(fault, plan.start) for fault in plan.faults],
    }


def _replay_text(replay: Replay) -> dict[str, object]:
    return {
        "file": str(replay.file.resolve()),
        "row": replay.row,
        "pv_scale": str(replay.pv_scale),
        "peak_load_kw": str(replay.peak_load_kw),
        "peak_pv_kw": str(replay.peak_pv_kw),
    }


def _replay(found: Mapping[str, Any]) -> Replay:  # untyped JSON, as above
    return Replay(
        file=Path(found["file"]),
        row=int(found["row"]),
        pv_scale=Fraction(found["pv_scale"]),
        peak_load_kw=Fraction(found["peak_load_kw"]),
        peak_pv_kw=Fraction(found["peak_pv_kw"]),
    )


def _meter(plan: Plan, home: Home, address: AnyAddress) -> dict[str, object]:
    return {
        "home": home.number,
        "serial": home.serial,
        "profile": home.profile.name,
        **address.row(),
        "capacity_w": home.capacity_w,
        "initial_import_wh": home.initial.import_wh,
        "initial_export_wh": home.initial.export_wh,
        "start": plan.start,
        "days": plan.days,
    }
