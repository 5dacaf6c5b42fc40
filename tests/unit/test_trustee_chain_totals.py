"""What trustees sign for the chain: a total that is proved, and nothing else."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_proto.chaintotal import ChainTotal
from meterseal_proto.errors import Unavailable
from meterseal_proto.reporting import Place
from meterseal_proto.secret import Secret
from meterseal_proto.totals import K_MIN, Masked, set_hash
from meterseal_trustee.keys import make_keys, open_keys
from meterseal_trustee.rules import MAX_TOTAL, Refused, Trouble
from tests.support.trustee_rig import Three, three
from tests.support.trusteeship import CHAIN_ID, DAY, NETWORK, houses, roster_of

NORTH = houses(1, 32)
REPORTED = NORTH[:K_MIN]
SEALS = [house.seal() for house in REPORTED]
PLACE = Place(NETWORK, "north", DAY)


def opened() -> Masked:
    """What the set's commitments open to."""
    value, blinding = Secret(0), Secret(0)
    for house in REPORTED:
        wh, z = house.opening(DAY)
        value, blinding = value.plus(wh), blinding.plus(z)
    return Masked(value.reveal(), blinding.reveal())


def on_chain(usage: int) -> ChainTotal:
    rows = [(one.header.meter, one.header.digest(CHAIN_ID)) for one in SEALS]
    named = set_hash(NETWORK, "north", DAY, rows)
    return ChainTotal(PLACE, named, len(rows), usage)


@pytest.fixture
async def trustees(tmp_path: Path) -> AsyncIterator[Three]:
    async with three(tmp_path) as made:
        await made.settle(NORTH, roster_of(NORTH))
        yield made


async def test_two_trustees_signatures_stand_under_a_proved_total(
    trustees: Three,
) -> None:
    total = opened()
    stated = (await trustees.all_sign(SEALS))[0].statement
    keys = [one.chain_public for one in trustees.secrets]
    given = [await desk.vouch(PLACE, stated, total) for desk in trustees.desks[1:]]
    assert on_chain(total.value).stands(keys, given, CHAIN_ID)
    assert not on_chain(total.value + 1).stands(keys, given, CHAIN_ID)
    assert not on_chain(total.value).stands(keys, given[:1] * 2, CHAIN_ID)
    assert await trustees.desks[1].vouch(PLACE, stated, total) == given[0]
    for findings in await trustees.audits():
        assert [one for one in findings if not one.ok] == []


@pytest.mark.parametrize(
    "change", [{"value": 1}, {"blinding": 1}, {"value": -1, "blinding": 1}]
)
async def test_another_total_is_not_signed(
    trustees: Three, change: dict[str, int]
) -> None:
    stated = (await trustees.all_sign(SEALS))[0].statement
    total = opened()
    wrong = replace(
        total, **{name: getattr(total, name) + by for name, by in change.items()}
    )
    with pytest.raises(Refused) as caught:
        await trustees.desks[0].vouch(PLACE, stated, wrong)
    assert caught.value.trouble is Trouble.BAD_TOTAL


async def test_a_total_beyond_every_meter_is_not_looked_at(trustees: Three) -> None:
    stated = (await trustees.all_sign(SEALS))[0].statement
    with pytest.raises(Refused) as caught:
        await trustees.desks[0].vouch(PLACE, stated, Masked(MAX_TOTAL, 1))
    assert caught.value.trouble is Trouble.BAD_TOTAL


async def test_only_a_set_that_it_signed_has_a_total(trustees: Three) -> None:
    desk = trustees.desks[0]
    with pytest.raises(Refused) as caught:
        await desk.vouch(PLACE, bytes(32), opened())
    assert caught.value.trouble is Trouble.NO_SUCH_SET
    await trustees.all_sign(SEALS)
    with pytest.raises(Refused) as caught:
        await desk.vouch(PLACE, bytes(32), opened())
    assert caught.value.trouble is Trouble.ANOTHER_SET


@pytest.mark.parametrize(
    ("sql", "law"),
    [
        ("UPDATE chain_totals SET usage = usage + 1", "totals for the chain"),
        ("UPDATE chain_totals SET signature = zeroblob(65)", "totals for the chain"),
        ("DELETE FROM chain_totals", "the log says all of it"),
    ],
)
async def test_the_audit_finds_a_total_that_was_changed(
    trustees: Three, tmp_path: Path, sql: str, law: str
) -> None:
    stated = (await trustees.all_sign(SEALS))[0].statement
    await trustees.desks[0].vouch(PLACE, stated, opened())
    books = sqlite3.connect(tmp_path / "0" / "trustee.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="keeps what it said"):
        books.execute(sql)
    books.execute("DROP TRIGGER chain_totals_no_update")
    books.execute("DROP TRIGGER chain_totals_no_delete")
    books.execute(sql)
    books.commit()
    books.close()
    broken = [one.law for one in (await trustees.audits())[0] if not one.ok]
    assert any(law in one for one in broken), broken


def test_a_chain_key_that_is_none_is_refused_and_never_shown(tmp_path: Path) -> None:
    make_keys(tmp_path)
    secrets = open_keys(tmp_path, 0)
    assert secrets.chain.hex() not in repr(secrets)
    for bad in ("", "00" * 32, "ff" * 32, "zz" * 32, "11" * 31):
        (tmp_path / "chain.key").write_text(bad)
        with pytest.raises(Unavailable, match="cannot be used"):
            open_keys(tmp_path, 0)
    (tmp_path / "chain.key").unlink()
    with pytest.raises(Unavailable, match="run meterseal-trustee init"):
        open_keys(tmp_path, 0)
