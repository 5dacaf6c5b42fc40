"""`meterseal-aggregator import --green-button METER`: usage taken whole, or not at all."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterseal_aggregator.cli import main
from meterseal_aggregator.storage.database import Database
from meterseal_proto.units import IMPORT, MeterId
from tests.support.billinghouse import add_meter
from tests.support.commandline import migrated, own_logs
from tests.support.greenbutton import document, reading
from tests.support.marketplace import make_member, make_point

AT = 1_767_222_000
"""When that house's registers begin."""
FILE = document("".join(reading(AT + 900 * n, 5) for n in range(4)))


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with own_logs():
        yield


@pytest.fixture
def config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    return migrated(tmp_path, capsys)


async def _meter(config: Path) -> MeterId:
    (file,) = (config.parent / "data").glob("*.sqlite")
    database = await Database.open(f"sqlite:///{file}")
    async with database.transaction() as tx:
        member = await make_member(tx, "Ada")
        await add_meter(tx, await make_point(tx, member), (IMPORT,), from_at=AT)
        ((meter,),) = await tx.rows("SELECT meter FROM meters")
    await database.close()
    return MeterId(meter)


def take(config: Path, meter: bytes, content: bytes, *more: str) -> int:
    path = config.parent / "usage.xml"
    path.write_bytes(content)
    wish = ["--green-button", meter.hex(), *more, str(path)]
    return main(["import", "--config", str(config), *wish])


def test_a_file_is_rehearsed_and_then_taken_once(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = asyncio.run(_meter(config))
    for _ in range(2):
        assert take(config, meter, FILE, "--dry-run") == 0
        assert capsys.readouterr().out.startswith("would write 4 values of 4 intervals")
    assert take(config, meter, FILE) == 0
    assert capsys.readouterr().out.startswith("wrote 4 values of 4 intervals in 1")
    assert take(config, meter, FILE) == 0
    assert capsys.readouterr().out.startswith("wrote 0 values")


def test_a_file_that_cannot_be_taken_is_told_in_one_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = asyncio.run(_meter(config))
    assert take(config, meter, FILE[:-5]) == 1
    told = capsys.readouterr().err
    assert "usage.xml was not taken, not a value of it: not well-formed XML" in told
    assert len(told.splitlines()) == 1
    assert take(config, bytes(16), FILE) == 1
    assert "there is no such register" in capsys.readouterr().err


@pytest.mark.parametrize("meter", ["mine", "00" * 15])
def test_what_is_no_meters_id_is_refused_before_anything_is_read(
    config: Path, capsys: pytest.CaptureFixture[str], meter: str
) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--config", str(config), "--green-button", meter, "x.xml"])
    assert "write a meter's id: 16 bytes in hex" in capsys.readouterr().err
