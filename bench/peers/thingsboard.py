"""ThingsBoard's gateway polling a Modbus TCP gateway, as it ships, telling a Mosquitto.

Its timeout, unless another is given, its retries and limits are those of the
configuration it comes with. Whoever owns the bus counts what it is asked; this module
must never judge what that means.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers import Running, environment
from deploy.broker import mosquitto
from deploy.freeport import free_port

NAME: Final = "thingsboard-gateway"
TIMEOUT_S: Final = 35
"""As in the modbus.json it ships."""


@dataclass(frozen=True, slots=True)
class Polling:
    """What it shall poll: units behind a port, floats at addresses, once a period."""

    port: int
    units: Sequence[int]
    addresses: Sequence[int]
    period_ms: int = 1_000
    timeout_s: int = TIMEOUT_S


@contextlib.contextmanager
def polling(wanted: Polling) -> Iterator[Running]:
    """Run it until the block ends; raises NoPeer when it cannot be installed."""
    python = environment(NAME)
    with tempfile.TemporaryDirectory() as text, _broker(Path(text)) as broker_port:
        folder = Path(text)
        _configure(python, folder, broker_port, wanted)
        with (folder / "said").open("wb") as said:
            child = subprocess.Popen(
                [str(python), "-m", "thingsboard_gateway.tb_gateway"],
                cwd=folder,
                env={**os.environ, "TB_GW_CONFIG_DIR": str(folder)},
                stdout=said,
                stderr=said,
            )
            try:
                yield Running(child.pid)
            finally:
                child.kill()
                child.wait()


@contextlib.contextmanager
def _broker(folder: Path) -> Iterator[int]:
    path, port = mosquitto(), free_port()
    if path is None:
        raise RuntimeError("Mosquitto is not installed: sudo apt install mosquitto")
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([path, "-c", str(conf)], stdout=quiet, stderr=quiet)
    try:
        time.sleep(0.5)
        yield port
    finally:
        child.kill()
        child.wait()


def _configure(python: Path, folder: Path, broker_port: int, wanted: Polling) -> None:
    """Change the shipped configuration as little as the bus and the broker ask."""
    (shipped,) = python.parents[1].glob(
        "lib/*/site-packages/thingsboard_gateway/config"
    )
    (folder / "logs").mkdir()
    shutil.copy(shipped / "logs.json", folder)
    gateway = json.loads((shipped / "tb_gateway.json").read_text())
    gateway["thingsboard"] |= {
        "host": "127.0.0.1",
        "port": broker_port,
        "remoteConfiguration": False,
        "security": {"type": "accessToken", "accessToken": "bench"},
    }
    modbus = {"type": "modbus", "name": "bus", "configuration": "modbus.json"}
    gateway["connectors"] = [modbus]
    (folder / "tb_gateway.json").write_text(json.dumps(gateway))
    slaves = [_slave(wanted, unit) for unit in wanted.units]
    (folder / "modbus.json").write_text(json.dumps({"master": {"slaves": slaves}}))


def _slave(wanted: Polling, unit: int) -> dict[str, object]:
    return {
        "host": "127.0.0.1", "port": wanted.port, "type": "tcp", "method": "socket",
        "unitId": unit, "deviceName": f"meter {unit}", "deviceType": "default",
        "timeout": wanted.timeout_s, "byteOrder": "BIG", "wordOrder": "BIG", "retries": 3,
        "retryOnEmpty": True, "retryOnInvalid": True, "pollPeriod": wanted.period_ms,
        "connectAttemptTimeMs": 5000, "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 300000, "attributes": [],
        "timeseries": [
            {"tag": f"at {address}", "type": "32float", "functionCode": 4,
             "objectsCount": 2, "address": address}
            for address in wanted.addresses
        ],
        "attributeUpdates": [], "rpc": [],
    }  # fmt: skip
