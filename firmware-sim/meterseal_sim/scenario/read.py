"""Pure: a scenario's TOML to its words; `any` is decided by the seed.

    title, seed, start, days, begin, speed
    [homes]     replay, row, pv_scale, peak_load_kw, peak_pv_kw, latitude, longitude ...
    [[lines]]   name, protocol, transport, host, port, path, gateway, baud, parity ...
    [[meters]]  line, model, unit, name, count
    [[faults]]  meter, kind, from, to, amount, phase, phases, chance
    [rehearsal] task, ask

Must never read a file beside the one it is given as text.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meterseal_sim.catalogue import profile
from meterseal_sim.chance import whole
from meterseal_sim.faults import Fault, Kind
from meterseal_sim.faults.model import FOREVER, kind_of, made, usual_amount
from meterseal_sim.pace import PARITIES, Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.replay import Replay
from meterseal_sim.scenario.model import PEAK, LinePlan, MeterPlan, Scenario, Task
from meterseal_sim.scenario.table import Table
from meterseal_sim.serve.frames import MAX_UNIT
from meterseal_sim.serve.lines import MAX_PORT, Device
from meterseal_sim.serve.protocols import M_BUS, MODBUS, SPOKEN
from meterseal_sim.serve.speakers import MEDIA
from meterseal_sim.shapes import Place
from meterseal_sim.stand import Wiring
from meterseal_sim.street import MAX_DAYS, MAX_HOMES, Plan

ANY = "any"
TRANSPORTS = {"tcp": 0, "rtu-over-tcp": 0, "pty": 0, "serial": 0}
PROTOCOLS = {
    MODBUS: Pace(),
    **{
        name: spoken.pace
        for name, spoken in SPOKEN.items()
        if spoken.write is not None or name == M_BUS
    },
}
"""What meters of a street can speak, and the usual setting of its wire."""
TELEGRAM_MODEL = "sdm630"
"""Three phases and every register: what telegrams are made from."""
FACTS = ("meter", "kind", "phase", "phases", "amount")
"""What a rehearsal may ask for."""
MAX_SPEED = 100_000


@dataclass(frozen=True, slots=True)
class Given:
    """What a file does not say: today's midnight, the folder of terminals, a seed."""

    today: int
    folder: Path
    seed: int | None = None


def read(text: str, name: str, given: Given) -> Scenario:
    """Return the scenario of a file's text; raises Refused in one sentence."""
    try:
        root = Table(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as trouble:
        raise Refused(f"{name} is not TOML: {trouble}") from None
    title = root.text("title", name)
    seed = root.whole("seed", 1, low=0, high=2**53)
    seed = seed if given.seed is None else given.seed
    start = root.moment("start") if root.has("start") else given.today
    days = root.whole("days", 1, low=1, high=MAX_DAYS)
    speed = root.number("speed", 1.0, low=1.0, high=MAX_SPEED)
    begin = _begin(root) if root.has("begin") or speed > 1 else None
    lines = [_line(row, given) for row in root.tables("lines")]
    meters = _meters(root, lines)
    faults = tuple(_fault(row, start, meters, seed) for row in root.tables("faults"))
    task = _task(root, faults) if root.has("rehearsal") else None
    replay, place = _homes(root.table("homes"))
    root.done()
    models = tuple(meter.model for meter in meters)
    plan = Plan(len(meters), seed, start, days, replay, place, None, faults, models)
    return Scenario(title, plan, lines, meters, speed, begin, task)


def _begin(root: Table) -> int:
    return PEAK if root.is_word("begin", "peak") else root.span("begin", 0)


def _line(row: Table, given: Given) -> LinePlan:
    name = row.text("name")
    protocol = row.one_of("protocol", PROTOCOLS, "modbus")
    transport = row.one_of("transport", TRANSPORTS, "tcp")
    pace = _pace(row, PROTOCOLS[protocol])
    device, host, port, gateway = None, "127.0.0.1", 0, False
    if transport == "pty":
        path = given.folder / row.text("path", name)
        strict = protocol == MODBUS and row.flag("strict")
        device = Device(str(path), strict=strict)
    elif transport == "serial":
        device = Device(row.text("path"), real=True)
    else:
        host = row.text("host", host)
        port = row.whole("port", 0, low=0, high=MAX_PORT)
        gateway = row.flag("gateway")
    interval_s = None
    if protocol in SPOKEN and row.has("interval_s"):
        interval_s = row.number("interval_s", 1.0, low=0.1, high=3600)
    row.done()
    rtu = transport == "rtu-over-tcp"
    wiring = Wiring(host, port, gateway, rtu, pace, device, interval_s)
    return LinePlan(name, wiring, protocol)


def _pace(row: Table, usual: Pace) -> Pace:
    parities = dict.fromkeys(PARITIES)
    try:
        return Pace(
            row.whole("baud", usual.baud, low=0, high=2**31),
            row.whole("bits", usual.bits, low=7, high=8),
            row.one_of("parity", parities, usual.parity),
            row.whole("stop", usual.stop, low=1, high=2),
        )
    except Refused as trouble:
        told = str(trouble)
        raise Refused(
            told if told.startswith(row.place) else f"{row.place}: {told}"
        ) from None


def _meters(root: Table, lines: Sequence[LinePlan]) -> list[MeterPlan]:
    """Return the meters in their order; units count up from the last on the line."""
    names = {line.name: line for line in lines}
    if len(names) < len(lines):
        raise Refused(f"{root.place}: two lines have one name")
    found: list[MeterPlan] = []
    taken: dict[str, set[int]] = {name: set() for name in names}
    for row in root.tables("meters"):
        line = row.one_of("line", names, next(iter(names), ""))
        protocol = names[line].protocol
        usual = None if protocol == MODBUS else TELEGRAM_MODEL
        model = profile(row.text("model", usual)).name
        medium = row.one_of("medium", MEDIA, "water") if protocol == M_BUS else ""
        count = row.whole("count", 1, low=1, high=MAX_HOMES)
        after = max(taken[line], default=0) + 1
        first = row.whole("unit", min(after, MAX_UNIT), low=1, high=MAX_UNIT)
        named = row.text("name") if row.has("name") else None
        row.done()
        for unit in range(first, first + count):
            if unit in taken[line] or unit > MAX_UNIT:
                raise Refused(f"{row.place}: no room for unit {unit} on line {line}")
            taken[line].add(unit)
            name = named if named and count == 1 else f"{named or line}/{unit}"
            place = len(found) + 1
            found.append(MeterPlan(name, line, unit, model, place, medium))
    if not found:
        raise Refused(
            f"{root.place}: there is no meter: write [[lines]] and [[meters]]"
        )
    if len({meter.name for meter in found}) < len(found):
        raise Refused(f"{root.place}: two meters have one name")
    _check_lines(root, lines, taken)
    return found


def _check_lines(
    root: Table, lines: Sequence[LinePlan], taken: dict[str, set[int]]
) -> None:
    for line in lines:
        if not taken[line.name]:
            raise Refused(f"{root.place}: no meter is on line {line.name}")
        alone = line.protocol not in (MODBUS, M_BUS)
        if alone and len(taken[line.name]) > 1:
            raise Refused(
                f"{root.place}: line {line.name}: {line.protocol} is spoken by one meter"
            )


def _fault(row: Table, start: int, meters: Sequence[MeterPlan], seed: int) -> Fault:
    word = row.text("kind")
    try:
        kind = kind_of(word)
    except ValueError:
        raise row.wrong("kind", f"one of {', '.join(Kind)}") from None
    home = _home(row, meters, seed)
    begin = start + row.span("from", 0)
    end = start + row.span("to") if row.has("to") else FOREVER
    chance = row.number("chance", 1.0, low=0.0, high=1.0)
    amount = _amount(row, kind, seed)
    row.done()
    return made(Fault(home, kind, begin, end, amount, chance), row.place)


def _home(row: Table, meters: Sequence[MeterPlan], seed: int) -> int:
    wanted = row.text("meter")
    if wanted == "*":
        return 0
    if wanted == ANY:
        return 1 + whole(seed, row.place, "meter") % len(meters)
    for meter in meters:
        if meter.name == wanted:
            return meter.home
    known = ", ".join(meter.name for meter in meters[:5])
    raise row.wrong("meter", f"a meter's name ({known} ...), {ANY!r} or '*'")


def _amount(row: Table, kind: Kind, seed: int) -> int:
    """Return the amount, or the phase or pair of phases it stands for."""
    choices = {
        Kind.CT_REVERSED: ("phase", {"L1": 1, "L2": 2, "L3": 3}),
        Kind.MISSING_PHASE: ("phase", {"L1": 1, "L2": 2, "L3": 3}),
        Kind.CT_SWAPPED: ("phases", {"L1 L2": 12, "L2 L3": 23, "L1 L3": 13}),
    }
    if kind not in choices:
        return row.whole("amount", usual_amount(kind), low=-(10**12), high=10**12)
    key, words = choices[kind]
    word = row.one_of(key, {**words, ANY: 0}, next(iter(words)))
    if word == ANY:
        return list(words.values())[whole(seed, row.place, "phase") % 3]
    return words[word]


def _task(root: Table, faults: Sequence[Fault]) -> Task:
    row = root.table("rehearsal")
    if len(faults) != 1:
        raise Refused(f"{row.place}: a rehearsal hides one fault, not {len(faults)}")
    asked = tuple(row.text("ask").split())
    for fact in asked:
        if fact not in FACTS:
            raise row.wrong("ask", f"facts are {', '.join(FACTS)}")
    task = Task(row.text("task"), asked)
    row.done()
    return task


def _homes(row: Table) -> tuple[Replay | None, Place]:
    here = Place()
    place = Place(
        row.number("latitude", here.latitude, low=-90, high=90),
        row.number("longitude", here.longitude, low=-180, high=180),
        row.whole("utc_offset_s", here.utc_offset_s, low=-50_400, high=50_400),
    )
    replay = None
    if row.has("replay"):
        replay = Replay(
            Path(row.text("replay")),
            row.whole("row", 0, low=0, high=10**7),
            row.share("pv_scale", "1"),
            row.share("peak_load_kw", "8"),
            row.share("peak_pv_kw", "6"),
        )
    row.done()
    return replay, place
