"""An operator who hides a bill or shows another log: a restored device opens nothing of before.

The agent's own parts on real data_dirs against the aggregator's real rooms and API.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from meterseal_agent.seal.logbook import NotProved
from meterseal_agent.seal.opening import NotOpened
from meterseal_proto.checkpoint import Checkpoint, sign_note
from meterseal_proto.history import PATH
from meterseal_proto.merkle import leaf_hash, root_of
from tests.support.enrolling import LOG_KEY
from tests.support.last_days import (
    END,
    FLAT,
    PERIOD,
    a_dying_device,
    a_tariffed_house,
    successor,
)
from tests.support.lost_device import Device, House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_tariffed_house(tmp_path) as made:
        yield made


@pytest.fixture
async def device(house: House, tmp_path: Path) -> AsyncIterator[Device]:
    async with a_dying_device(house, tmp_path) as one:
        yield one


def left_out(_path: str, raw: bytes) -> bytes:
    """Hide every bill."""
    return json.dumps({**json.loads(raw), "bills": []}).encode()


def foreign(_path: str, raw: bytes) -> bytes:
    """Give a bill that was never logged."""
    page = json.loads(raw)
    page["bills"].append({**page["bills"][0], "amount": "1"})
    return json.dumps(page).encode()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(left_out, "does not give that bill"), (foreign, "not in the log")],
)
async def test_bills_come_back_all_or_not_at_all(
    device: Device, tmp_path: Path, spoil: Callable[[str, bytes], bytes], why: str
) -> None:
    other, house = await successor(device, tmp_path), device.house
    house.spoil = lambda path, raw: spoil(path, raw) if path == PATH else raw
    said = list[str]()
    assert not await other.restore(said)
    assert any("stay closed" in line and why in line for line in said), said
    assert other.box.openings(other.chain) == []
    assert len(other.held()) == 5, "days come back by themselves"
    await other.live(END)
    with pytest.raises(NotOpened, match="restore-history"):
        other.bill(FLAT, PERIOD, END)
    other.close()


def cut(path: str, raw: bytes) -> bytes:
    """Leave the last entry of a bundle out, and put the one before there instead."""
    if "entries" not in path:
        return raw
    found, at = list[bytes](), 0
    while at < len(raw):
        size = 2 + int.from_bytes(raw[at : at + 2])
        found.append(raw[at : at + size])
        at += size
    return b"".join([*found[:-1], found[-2]])


def short(path: str, raw: bytes) -> bytes:
    return raw[:-1] if "entries" in path else raw


def forked(path: str, raw: bytes) -> bytes:
    """Sign another log of the same length, as an operator can; no witness saw it."""
    if not path.endswith("checkpoint"):
        return raw
    size = int(raw.split(b"\n")[1])
    root = root_of([leaf_hash(bytes([n])) for n in range(size)])
    lines = raw.decode().split("\n\n")[1].splitlines(keepends=True)
    return (sign_note(Checkpoint("street.example/log", size, root), LOG_KEY)
            + lines[-1]).encode()  # fmt: skip


def unwitnessed(path: str, raw: bytes) -> bytes:
    if not path.endswith("checkpoint"):
        return raw
    return "".join(raw.decode().splitlines(keepends=True)[:-1]).encode()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut, "not those its checkpoint was signed over"),
        (short, "whole entries"),
        (forked, "not witnessed"),
        (unwitnessed, "not witnessed"),
    ],
)
async def test_a_log_that_is_not_the_one_the_witness_saw_is_refused_whole(
    device: Device, tmp_path: Path, spoil: Callable[[str, bytes], bytes], why: str
) -> None:
    other = await successor(device, tmp_path)
    device.house.spoil = spoil
    with pytest.raises(NotProved, match=why):
        await other.restore([])
    assert (other.held(), other.box.openings(other.chain)) == ([], [])
    other.close()


async def test_a_log_as_it_was_before_it_took_over_is_refused(
    device: Device, tmp_path: Path
) -> None:
    house = device.house
    note = await asyncio.to_thread(house.post, "/v1/log/checkpoint")
    other = await successor(device, tmp_path)
    house.spoil = lambda path, raw: note if path.endswith("checkpoint") else raw
    with pytest.raises(NotProved, match="before this device was enrolled"):
        await other.restore([])
    said = list[str]()
    assert not await other.restore(said, fresh=False)
    assert any("stay closed: the log is shown as it was" in line for line in said)
    assert other.box.openings(other.chain) == []
    other.close()
