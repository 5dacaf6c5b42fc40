"""Trustees as configured: their keys are written down for good and told to whoever enrols."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.app.duties import Wires, duties
from meterseal_aggregator.app.house import open_house
from meterseal_aggregator.app.trustees import open_trustees, settle
from meterseal_aggregator.config import Config, ConfigError
from meterseal_aggregator.notices.duty import Mailroom
from meterseal_aggregator.privacy.trustees import store
from meterseal_aggregator.privacy.trustees.model import Said
from meterseal_aggregator.registry.enrol import enrol
from meterseal_aggregator.registry.model import Moment
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.errors import Unavailable
from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import TrusteeKey
from tests.support.certificates import Authority
from tests.support.enrolling import NOW, TERMS, a_registry, a_request
from tests.support.total_evidence import KEYS

NO_MAIL = Mailroom({})
A_NO = Said(Act.SET, 1, 0, NOW, None, b"", "another-set", "it signed another")


def configured(folder: Path, keys: Sequence[TrusteeKey], **tls: Any) -> Config:
    authority = Authority(folder / "tls")
    authority.client("aggregator")
    files = {"certificate": "aggregator.pem", "key": "aggregator.key", "ca": "ca.pem"}
    paths = {name: folder / "tls" / file for name, file in (files | tls).items()}
    rows = [
        # Nobody listens at port 9 of this machine.
        {"url": "https://127.0.0.1:9", "key": key.text(), "tls": paths}
        for key in keys
    ]
    return Config.model_validate({"data_dir": folder / "data", "trustees": rows})


async def test_trustees_are_written_down_once_and_their_silence_is_no_failure(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path, KEYS)
    async with open_house(config, upgrade=True) as house:
        for _ in range(2):
            async with open_trustees(house) as office:
                assert office is not None
                assert office.trustees.keys == tuple(KEYS)
                assert await settle(house, office) == 0
                names = [
                    one.name
                    for one in duties(house, Wires(lambda *_: False, NO_MAIL, office))
                ]
                assert "totals" in names
        async with house.database.reading() as tx:
            rows = await tx.rows("SELECT number, box, sign FROM trustees")
    assert [TrusteeKey(*row) for row in rows] == KEYS
    others = [replace(KEYS[0], box=bytes([7]) * 32), *KEYS[1:]]
    async with open_house(configured(tmp_path, others)) as house:
        with pytest.raises(Unavailable, match="other trustees"):
            async with open_trustees(house):
                pass


async def test_a_set_that_never_ends_waits_behind_those_nobody_spoke_of(
    tmp_path: Path,
) -> None:
    """A round has half a minute: asked oldest first, a few such sets would take it all."""
    async with (
        open_house(configured(tmp_path, KEYS), upgrade=True) as house,
        open_trustees(house),
        house.database.transaction() as tx,
    ):
        for row in (1, 2, 3, 4):
            name = bytes([row]) * 32
            await tx.many(
                "INSERT INTO log_entries VALUES (?, ?, ?)", [(row, name, name)]
            )
            place = (row, "north", row, name, NOW, row)
            await tx.many(
                "INSERT INTO reporting_sets VALUES (?, ?, ?, ?, ?, ?)", [place]
            )
        no = replace(A_NO, at=NOW)
        await store.say(tx, [no, replace(no, subject=2, at=NOW - 60)])
        # What was said of a deposit or a roster of the same number is another thing.
        await store.say(tx, [replace(no, act=Act.DEPOSIT, subject=4, at=NOW + 9)])
        assert [row for row, *_ in await store.unfinished(tx)] == [3, 4, 2, 1]
        await store.say(tx, [replace(no, subject=2, trustee=1, at=NOW + 1)])
        assert [row for row, *_ in await store.unfinished(tx)] == [3, 4, 1, 2]


async def test_files_of_no_use_are_named_and_without_trustees_nobody_is_asked(
    tmp_path: Path,
) -> None:
    async with open_house(configured(tmp_path, KEYS, ca="none.pem"), upgrade=True) as h:
        with pytest.raises(ConfigError, match=r"\[trustees.tls\]"):
            async with open_trustees(h):
                pass
    plain = Config.model_validate({"data_dir": tmp_path / "plain"})
    async with open_house(plain, upgrade=True) as house:
        async with open_trustees(house) as office:
            assert office is None
        names = [one.name for one in duties(house, Wires(lambda *_: False, NO_MAIL))]
        assert "totals" not in names


async def test_whoever_enrols_is_told_the_trustees(tmp_path: Path) -> None:
    told = tuple(key.text() for key in KEYS)
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code())
        async with registry.db.transaction() as tx:
            terms = replace(TERMS, trustee_keys=told)
            text = await enrol(tx, request, terms, Moment(NOW, NOW))
    assert EnrolmentAnswer.from_json(text).trustee_keys == told
    assert json.loads(text)["trustee_keys"] == list(told)
