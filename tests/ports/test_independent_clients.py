"""Four clients that nobody here wrote read the energies of every simulated model.

Where a register lies and what it means is taken from the facts file, so neither the
agent's profiles nor the simulator's have a say in what must come out: the truth of the
home, to the Wh or to the model's own step.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from meterseal_sim.catalogue import profiles
from meterseal_sim.curve import Registers
from meterseal_sim.serve import close_all, lines_of, open_all
from meterseal_sim.street import Home
from tests.support.data import shared_data
from tests.support.modbus_clients import (
    BAUD,
    HOST,
    Value,
    by_libmodbus,
    by_mbpoll,
    by_minimalmodbus,
    by_pymodbustcp,
    compiled,
)
from tests.support.simlines import NOON, Hands, homes_of, on_terminal, standing

MODELS = tuple(sorted(profiles()))
CALLED = {
    "eastron-sdm120": "eastron-sdm120m",
    "eastron-sdm630": "eastron-sdm630-v2",
    "schneider-iem3155": "schneider-iem3000",
}
"""Models the facts call by another name."""
WH = {"kWh": 1000, "kWh/MWh": 1000, "Wh": 1}
# Energies the facts name differently, or hold elsewhere: their place, type and Wh.
SOCOMEC = ((50946, 50952), "u32", 10)
PLACES = {
    "socomec-countis-e24": SOCOMEC,
    "socomec-countis-e34": SOCOMEC,
    # The vendor's table DCG01013 V202.81.
    "socomec-diris-a10": ((50780, 50786), "u32", 1000),
    # Model 203 behind the common model: TotWhImp and TotWhExp, TotWh_SF 0.
    "sunspec": ((40116, 40108), "u32", 1),
}
Read = Callable[[Value], Awaitable[float | int]]


@dataclass(frozen=True)
class Energy:
    """Where a model keeps import or export, and what one of its counts is in Wh."""

    value: Value
    step: Fraction

    def read_as(self, number: float | int) -> int:
        return round(Fraction(number) * self.step)

    def told(self, true_wh: int) -> int:
        """Return the register's reading, in Wh, of a meter that counted `true_wh`."""
        if self.value.kind[0] == "f":
            return true_wh
        return int(true_wh // self.step * self.step)


@lru_cache(maxsize=1)
def facts() -> dict[str, Any]:  # meters by id, as their JSON says
    path = shared_data("meters", "modbus_register_maps.json")
    return {meter["id"]: meter for meter in json.loads(path.read_text())["meters"]}


def energies(model: str) -> tuple[Energy, Energy]:
    """Return import and export of a model."""
    meter = facts()[CALLED.get(model, model)]
    function = int(str(meter["function_code"])[0])
    little = meter["word_order"].startswith("little")
    if model in PLACES:
        places, kind, step = PLACES[model]
        one, two = (
            Energy(Value(function, address, kind, little), Fraction(step))
            for address in places
        )
        return one, two
    named = {point["name"]: point for point in meter["registers"]}
    one, two = (
        Energy(
            Value(function, point["address"], point["type"], little),
            Fraction(str(point["multiplier"])) * WH[point["unit"]],
        )
        for point in (named["Import"], named["Export"])
    )
    return one, two


async def compare(model: str, truth: Registers, read: Read) -> None:
    taken, given = energies(model)
    assert taken.read_as(await read(taken.value)) == taken.told(truth.import_wh)
    assert given.read_as(await read(given.value)) == given.told(truth.export_wh)


def exporting(model: str) -> Home:
    """Return the first home of the street that gives as well as takes."""
    return next(home for home in homes_of(model, 2) if home.initial.export_wh)


@asynccontextmanager
async def on_tcp(model: str) -> AsyncIterator[tuple[Home, int]]:
    home = exporting(model)
    served = lines_of([home], lambda: NOON, gateway=False)
    await open_all(served, HOST, 0)
    try:
        yield home, served[0].port
    finally:
        await close_all(served)


@asynccontextmanager
async def on_line(model: str, folder: Path) -> AsyncIterator[tuple[Home, Path]]:
    home = exporting(model)
    async with standing([home], Hands(), on_terminal(folder)):
        yield home, folder / "line"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("libmodbus"))


@pytest.mark.parametrize("model", MODELS)
async def test_mbpoll_reads_the_energies_of_every_model(model: str) -> None:
    async with on_tcp(model) as (home, port):
        await compare(model, home.registers_at(NOON), lambda v: by_mbpoll(port, v))


@pytest.mark.parametrize("model", MODELS)
async def test_libmodbus_reads_the_energies_of_every_model(
    model: str, program: Path
) -> None:
    async with on_tcp(model) as (home, port):
        place = ("tcp", HOST, str(port))
        await compare(
            model, home.registers_at(NOON), lambda v: by_libmodbus(program, place, v)
        )


@pytest.mark.parametrize("model", ["eastron-sdm630", "shelly-pro-3em", "abb-b23"])
async def test_libmodbus_reads_them_on_a_terminal_too(
    model: str, program: Path, tmp_path: Path
) -> None:
    async with on_line(model, tmp_path) as (home, line):
        place = ("rtu", str(line), str(BAUD))
        await compare(
            model, home.registers_at(NOON), lambda v: by_libmodbus(program, place, v)
        )


@pytest.mark.parametrize("model", MODELS)
async def test_pymodbustcp_reads_the_energies_of_every_model(model: str) -> None:
    async with on_tcp(model) as (home, port):
        await compare(model, home.registers_at(NOON), lambda v: by_pymodbustcp(port, v))


@pytest.mark.parametrize("model", MODELS)
async def test_minimalmodbus_reads_the_energies_of_every_model_on_a_terminal(
    model: str, tmp_path: Path
) -> None:
    async with on_line(model, tmp_path) as (home, line):
        truth = home.registers_at(NOON)
        await compare(model, truth, lambda v: by_minimalmodbus(line, v))
