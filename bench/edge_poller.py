"""Our bus as a program of its own: polls units behind a TCP gateway until it is ended.

    python -m bench.edge_poller PORT UNITS TIMEOUT_S

It loads what the agent loads to do the same, and nothing of the simulator. It must never
count: the other end of the wire does.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

from meterseal_agent.meters.bus import Bus, Clocks, Station
from meterseal_agent.meters.modbus import Line, ModbusMeter, TcpTransport, Timing
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.registers import Sample
from meterseal_proto.units import MeterId

MODEL: Final = "eastron-sdm630"
PERIOD_S: Final = 1.0


async def _drop(meter: MeterId, sample: Sample) -> None:
    pass


async def poll(port: int, units: int, timeout_s: float) -> None:
    """Poll units 1 to `units`, each once a second, for ever."""
    line, profile = Line(TcpTransport("127.0.0.1", port)), load(MODEL)
    stations = [
        Station(
            MeterId(unit.to_bytes(16)),
            ModbusMeter(line, unit, profile, Timing(timeout_s)),
            line.name,
            PERIOD_S,
            timeout_s,
        )
        for unit in range(1, units + 1)
    ]
    await Bus(stations, Clocks(time.time, time.monotonic, asyncio.sleep)).run(_drop)


def main(argv: Sequence[str]) -> None:
    """Poll as the arguments say."""
    port, units, timeout_s = argv
    asyncio.run(poll(int(port), int(units), float(timeout_s)))


if __name__ == "__main__":
    main(sys.argv[1:])
