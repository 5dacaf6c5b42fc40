"""A network is founded once, also when two processes start in an empty directory."""

import multiprocessing
import multiprocessing.synchronize
from pathlib import Path

import pytest

from meterseal_aggregator.app.keys import open_keys
from meterseal_aggregator.config import Config

FOUNDERS = 4
ROUNDS = 3
WITHIN_S = 60.0
NOW = 1_800_000_000


def _found(
    folder: Path,
    start: multiprocessing.synchronize.Barrier,
    told: "multiprocessing.Queue[tuple[str, ...]]",
) -> None:
    start.wait(WITHIN_S)
    keys = open_keys(Config(data_dir=folder), real_now=NOW)
    receipt = keys.receipt.public_key().public_bytes_raw().hex()
    told.put((keys.log.vkey, keys.genesis.network.hex(), receipt, keys.authority.pem))


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_founders_at_once_found_one_network(tmp_path: Path, round_: int) -> None:
    forked = multiprocessing.get_context("fork")
    start, told = forked.Barrier(FOUNDERS), forked.Queue()
    founders = [
        forked.Process(target=_found, args=(tmp_path, start, told))
        for _ in range(FOUNDERS)
    ]
    for founder in founders:
        founder.start()
    networks = {told.get(timeout=WITHIN_S) for _ in founders}
    for founder in founders:
        founder.join(WITHIN_S)
        assert founder.exitcode == 0, round_
    assert len(networks) == 1
    keys = open_keys(Config(data_dir=tmp_path), real_now=NOW)
    assert {keys.log.vkey} == {network[0] for network in networks}
    names = {path.name for path in (tmp_path / "keys").iterdir()}
    assert names == {
        "device-ca-key.pem", "device-ca.pem", "genesis.json", "log.pem", "receipt.pem",
    }  # fmt: skip
