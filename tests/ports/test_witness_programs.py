"""Aggregator and trustee as programs: a tariff is published, and a device may believe it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_agent.seal.opening import PinnedLog, witnessed
from meterseal_proto.checkpoint import open_note, parse_note
from meterseal_proto.cosignature import CosignerKey, cosigned_at
from meterseal_proto.errand_down import TariffTold
from tests.support.committed import flat
from tests.support.witness_rig import WitnessProgram

CODE = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
WITHIN_S = 60.0
FLAT = flat(250_000)


@dataclass(slots=True)
class Aggregator:
    """An aggregator of a folder, served or not."""

    folder: Path
    process: subprocess.Popen[str] | None = None
    url: str = ""

    @property
    def config(self) -> Path:
        return self.folder / "aggregator.toml"

    def write(self, extra: str = "") -> None:
        self.config.write_text(
            f'data_dir = "{self.folder / "data"}"\ndemo = true\n'
            "[web]\nport = 0\n[mqtt]\nport = 0\n[jobs]\nwitness_s = 0.2\n" + extra
        )

    def run(self, *words: str) -> str:
        command = [sys.executable, "-c", CODE, *words, "--config", str(self.config)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=_plain(), timeout=120,
            check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def serve(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, "serve", "--config", str(self.config)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_plain(),
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready: "), self.stop()
        self.url = line.split()[1]

    def stop(self) -> str:
        """End it; returns what it logged."""
        if self.process is None:
            return ""
        self.process.terminate()
        _, log = self.process.communicate(timeout=WITHIN_S)
        self.process = None
        return log


def _plain() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("METERSEAL")}


async def until(
    client: httpx2.AsyncClient, url: str, holds: str = ""
) -> httpx2.Response:
    """Ask until it is there, and something in it matches."""
    async with asyncio.timeout(WITHIN_S):
        while (answer := await client.get(url)).status_code != 200 or (
            re.search(holds, answer.text) is None
        ):
            await asyncio.sleep(0.05)
    return answer


@pytest.fixture
async def aggregator(tmp_path: Path) -> AsyncIterator[Aggregator]:
    made = Aggregator(tmp_path)
    made.write()
    made.run("migrate")
    made.serve()
    yield made
    made.stop()


async def test_a_witness_in_the_configuration_cosigns_and_a_tariff_is_proved_by_it(
    aggregator: Aggregator,
) -> None:
    token = aggregator.run("token", "--role", "operator")
    async with httpx2.AsyncClient(trust_env=False, timeout=WITHIN_S) as client:
        log_key = (await client.get(f"{aggregator.url}/v1/network")).json()["log_key"]
        published = await client.post(
            f"{aggregator.url}/v1/tariffs",
            json={"document": FLAT.document().decode()},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert published.status_code == 201, published.text
        trustee = WitnessProgram.start(aggregator.folder / "trustee", log_key)
        try:
            await asyncio.to_thread(aggregator.stop)
            aggregator.write(_witness_table(trustee))
            await asyncio.to_thread(aggregator.serve)
            path = f"/v1/network/tariffs/{FLAT.hash().hex()}/evidence"
            proved = (await until(client, aggregator.url + path)).json()
            note = (await client.get(f"{aggregator.url}/v1/log/checkpoint")).text
            status = trustee.program.process.poll()
        finally:
            log = trustee.program.stop()
    assert status is None, log
    open_note(note, log_key)
    assert cosigned_at(parse_note(note), trustee.key) > 0
    pinned = PinnedLog(log_key, trustee.key.vkey)
    assert witnessed(_told(proved), pinned) == FLAT
    assert "Traceback" not in await asyncio.to_thread(aggregator.stop)


def _witness_table(trustee: WitnessProgram) -> str:
    tls = trustee.folder / "tls"
    return (
        f'[[witnesses]]\nurl = "{trustee.program.url}"\nkey = "{trustee.key.vkey}"\n'
        f'[witnesses.tls]\nca = "{tls / "ca.pem"}"\n'
        f'certificate = "{tls / "aggregator.pem"}"\nkey = "{tls / "aggregator.key"}"\n'
    )


def _told(answer: dict[str, Any]) -> TariffTold:
    proof = tuple(bytes.fromhex(step) for step in answer["proof"])
    document = answer["document"].encode()
    return TariffTold(document, answer["index"], proof, answer["note"])


async def test_a_witness_that_is_away_stops_nobody_and_is_named(
    aggregator: Aggregator,
) -> None:
    await asyncio.to_thread(aggregator.stop)
    key = CosignerKey("witness.example/w9", bytes(range(32))).vkey
    aggregator.write(f'[[witnesses]]\nurl = "http://127.0.0.1:1"\nkey = "{key}"\n')
    token = aggregator.run("token", "--role", "operator")
    await asyncio.to_thread(aggregator.serve)
    async with httpx2.AsyncClient(trust_env=False, timeout=WITHIN_S) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        body = {"document": FLAT.document().decode()}
        await client.post(f"{aggregator.url}/v1/tariffs", json=body)
        await until(client, f"{aggregator.url}/v1/log/inclusion?index=0")
        failed = r'duty_failures_total\{duty="witness"\} [1-9]'
        await until(client, f"{aggregator.url}/metrics", failed)
        path = f"/v1/network/tariffs/{FLAT.hash().hex()}/evidence"
        assert (await client.get(aggregator.url + path)).status_code == 409
    log = await asyncio.to_thread(aggregator.stop)
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    silent = [one for one in told if one["event"] == "witness_silent"]
    assert silent[0]["who"] == "witness.example/w9"


def test_tls_files_that_are_not_there_are_named_at_the_start(tmp_path: Path) -> None:
    made = Aggregator(tmp_path)
    key = CosignerKey("witness.example/w9", bytes(range(32))).vkey
    made.write(
        f'[[witnesses]]\nurl = "https://127.0.0.1:1"\nkey = "{key}"\n'
        '[witnesses.tls]\nca = "/no/ca"\ncertificate = "/no/c"\nkey = "/no/k"\n'
    )
    made.run("migrate")
    command = [sys.executable, "-c", CODE, "serve", "--config", str(made.config)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=_plain(), timeout=120, check=False
    )
    assert done.returncode == 1
    assert "[witnesses.tls] of https://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
