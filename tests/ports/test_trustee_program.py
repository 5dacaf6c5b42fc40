"""The trustee as its organisation meets it: commands, their words, kills, and how it stops."""

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx2
import pytest

from meterseal_proto.cosignature import parse_cosigner
from meterseal_proto.seedbox import TrusteeKey
from meterseal_trustee.keys import make_keys, open_keys
from tests.support.trustee_programs import (
    Program,
    line_to,
    run,
    start_three,
    write_config,
)
from tests.support.trustee_rig import three
from tests.support.trusteeship import (
    DAY,
    Denied,
    Line,
    all_sign,
    context_of,
    houses,
    roster_of,
    set_body,
)

STREET = houses(1, 33)
KILLS = 5


def _one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failing command said; exactly one line, and no traceback."""
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    return line


def _keys(folder: Path) -> list[TrusteeKey]:
    keys = []
    for number in range(3):
        make_keys(folder / str(number) / "keys")
        keys.append(open_keys(folder / str(number) / "keys", number).public)
    return keys


def test_init_makes_keys_once_and_says_what_to_pin(tmp_path: Path) -> None:
    config = tmp_path / "trustee.toml"
    config.write_text(f'number = 1\ndata_dir = "{tmp_path / "data"}"\n')
    first, again = run(config, "init"), run(config, "init")
    assert first.stdout.startswith("keys were made\n")
    assert again.stdout.startswith("the keys were here already")
    assert first.stdout.splitlines()[1:] == again.stdout.splitlines()[1:]
    text = first.stdout.splitlines()[1].split()[1]
    key = TrusteeKey.parse(text)
    assert key.number == 1
    assert key.fingerprint() in first.stdout
    witness = parse_cosigner(first.stdout.splitlines()[3].split()[1])
    assert witness.name == "meterseal/trustee-1"
    assert witness.public not in (key.sign, key.box), "it signs nothing else"
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "data/keys").iterdir()}
    assert modes == {0o600}


def test_a_trustee_that_is_not_set_up_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    config = write_config(tmp_path / "0", 0, [], None)
    assert "meterseal-trustee init" in _one_sentence(run(config, "serve"))
    keys = _keys(tmp_path)
    assert "trustees: write the keys" in _one_sentence(run(config, "check"))
    config = write_config(tmp_path / "0", 0, keys, None)
    checked = run(config, "check")
    assert checked.returncode == 0, checked.stderr
    assert all(key.fingerprint() in checked.stdout for key in keys)
    assert not (tmp_path / "0" / "trustee.sqlite").exists()
    strange = TrusteeKey(0, bytes(32), bytes(32))
    config = write_config(tmp_path / "0", 0, [strange, *keys[1:]], None)
    assert "other keys than ours" in _one_sentence(run(config, "check"))
    config = write_config(tmp_path / "0", 0, keys, tmp_path / "no-tls")
    assert "[web.tls]" in _one_sentence(run(config, "serve"))


def test_a_database_is_for_one_network(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    config = write_config(tmp_path / "0", 0, keys, None)
    assert run(config, "audit").returncode == 0
    config.write_text(config.read_text().replace("chain_id = ", "chain_id = 1 # "))
    assert "chain_id" in _one_sentence(run(config, "audit"))


def test_a_person_countersigns(tmp_path: Path) -> None:
    async def prepare() -> list[TrusteeKey]:
        async with three(tmp_path, by_hand=True) as trustees:
            await trustees.settle(STREET, roster_of(STREET, quarter=2024 * 4 + 3))
            return trustees.keys

    config = write_config(tmp_path / "0", 0, asyncio.run(prepare()), None)
    digest = roster_of(STREET).hash().hex()
    shown = run(config, "rosters").stdout
    assert f"{digest}: cell north, 2024-Q4, 33 meters" in shown
    assert all(house.meter.hex() in shown for house in STREET)
    assert all(house.key.public.raw.hex() in shown for house in STREET)
    assert "no roster" in _one_sentence(run(config, "countersign", "00" * 32))
    for bad in ("00", "zz" * 32):
        assert run(config, "countersign", bad).returncode == 2
    assert run(config, "countersign", digest).returncode == 0
    assert run(config, "rosters").stdout == "0 rosters wait to be countersigned\n"
    last = json.loads(run(config, "log", "--after", "33").stdout)
    assert (last["act"], last["roster"]) == ("roster", digest)
    assert run(config, "audit").returncode == 0


def test_without_its_packages_the_program_says_which_extra_to_install() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None;"
        "from meterseal_trustee.cli import main; sys.exit(main(['check']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "meterseal[trustee]" in _one_sentence(done)


async def test_plain_on_loopback_and_a_stop_that_ends_well(tmp_path: Path) -> None:
    keys = _keys(tmp_path)
    program = Program.start(write_config(tmp_path / "0", 0, keys, None), keys[0])
    async with httpx2.AsyncClient(trust_env=False) as client:
        known = await client.get(program.url + "/v1/trustee")
    assert known.json()["fingerprint"] == keys[0].fingerprint()
    await asyncio.to_thread(program.stop)
    assert program.process.returncode == 0


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street's cell is countersigned by three trustees; nothing is asked yet."""
    folder = tmp_path_factory.mktemp("ready")

    async def settle() -> None:
        async with three(folder) as trustees:
            await trustees.settle(STREET, roster_of(STREET))

    asyncio.run(settle())
    return folder


@pytest.fixture
def programs(ready: Path, tmp_path: Path) -> Iterator[list[Program]]:
    async def copied() -> list[TrusteeKey]:
        async with three(tmp_path, like=ready) as trustees:
            return trustees.keys

    started = start_three(tmp_path, asyncio.run(copied()))
    yield started
    for program in started:
        program.stop(kill=True)


@pytest.fixture
async def lines(programs: list[Program], tmp_path: Path) -> AsyncIterator[list[Line]]:
    made = [line_to(program, tmp_path) for program in programs]
    yield made
    for line in made:
        await line.client.aclose()


async def _restarted(programs: list[Program], lines: list[Line], folder: Path) -> None:
    """Kill trustee 0, now, and start it again on its own database."""
    await asyncio.to_thread(programs[0].stop, kill=True)
    await lines[0].client.aclose()
    programs[0] = await asyncio.to_thread(
        Program.start, programs[0].config, programs[0].key
    )
    lines[0] = line_to(programs[0], folder)


@asynccontextmanager
async def _sent(
    line: Line, folder: Path, path: str, body: object
) -> AsyncIterator[None]:
    """Send a request and never read the answer."""
    context = context_of(str(folder / "tls"), "aggregator")
    url = httpx2.URL(line.url)
    _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    try:
        yield
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def _count(folder: Path, table: str) -> int:
    path = folder / "0" / "trustee.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        sql = f"SELECT count(*) FROM {table}"  # noqa: S608 - a table of ours
        (found,) = reader.execute(sql).fetchone()
    return int(found)


async def _until_kept(folder: Path, table: str) -> None:
    async with asyncio.timeout(60):
        while not _count(folder, table):
            await asyncio.sleep(0.005)


async def test_killed_between_keeping_and_answering_it_answers_the_same(
    programs: list[Program], lines: list[Line], tmp_path: Path
) -> None:
    seals = [house.seal() for house in STREET[:24]]
    other = [house.seal() for house in STREET[:25]]
    async with _sent(lines[0], tmp_path, "/v1/sets", set_body(seals)):
        await _until_kept(tmp_path, "sets")
        await _restarted(programs, lines, tmp_path)
    with pytest.raises(Denied) as caught:
        await lines[0].sign_set(other)
    assert caught.value.why == "another-set"
    stated, given = await all_sign(lines, seals)

    body = {"cell": "north", "day": DAY, "statement": stated, "signatures": given}
    async with _sent(lines[0], tmp_path, "/v1/masks", body):
        await _until_kept(tmp_path, "answers")
        await _restarted(programs, lines, tmp_path)
    told = await lines[0].masks(stated, given)
    assert (
        lines[0].sums(stated, told)[2]
        == lines[1].sums(stated, await lines[1].masks(stated, given))[2]
    )
    entries = [
        json.loads(line) for line in run(programs[0].config, "log").stdout.splitlines()
    ]
    assert [one["act"] for one in entries[-2:]] == ["set", "masks"]
    assert entries[-1]["sums"] == told["sums"]


async def test_killed_at_any_moment_a_place_still_has_one_set(
    programs: list[Program], lines: list[Line], tmp_path: Path
) -> None:
    chance = random.Random(20_261_121)
    for day in range(DAY + 1, DAY + 1 + KILLS):
        first = [house.seal(day) for house in STREET[:24]]
        other = [house.seal(day) for house in STREET[5:30]]
        before = _count(tmp_path, "sets")
        body = set_body(first, day=day)
        async with _sent(lines[0], tmp_path, "/v1/sets", body):
            await asyncio.sleep(chance.uniform(0, 0.05))  # when the power fails
            await _restarted(programs, lines, tmp_path)
        kept = _count(tmp_path, "sets") > before
        stands, refused = (first, other) if kept else (other, first)
        made = await lines[0].sign_set(stands, day=day)
        assert await lines[0].sign_set(stands[::-1], day=day) == made
        with pytest.raises(Denied) as caught:
            await lines[0].sign_set(refused, day=day)
        assert caught.value.why == "another-set"
    assert run(programs[0].config, "audit").returncode == 0
