"""Files and checkpoints carry cosignatures; a tariff is proved under a cosigned one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_agent.seal.opening import NotOpened, PinnedLog, witnessed
from meterseal_proto.checkpoint import open_note, parse_note
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.cosignature import cosigned_at
from meterseal_proto.errand_down import TariffTold
from meterseal_proto.verify import examine, zone_clock
from tests.support.committed import flat
from tests.support.enrolling import GENESIS
from tests.support.webhouse import (
    LATER,
    WebHouse,
    a_house,
    a_lived_in_house,
    do_every_duty,
)
from tests.support.witnessing import FIRST, SECOND, THIRD, cosign_head, cosigner

FLAT = flat(250_000)
PATH = f"/v1/network/tariffs/{FLAT.hash().hex()}/evidence"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def _publish(house: WebHouse, *tariffs: Any) -> None:
    for tariff in tariffs:
        body = {"document": tariff.document().decode()}
        assert (await house.post("/v1/tariffs", "operator", body)).status_code == 201
    await do_every_duty(house)


def _told(answer: dict[str, Any]) -> TariffTold:
    assert set(answer) == {"document", "index", "proof", "note"}
    return TariffTold(
        answer["document"].encode(),
        answer["index"],
        tuple(bytes.fromhex(step) for step in answer["proof"]),
        answer["note"],
    )


async def test_a_device_believes_a_tariff_once_its_witness_has_cosigned(
    house: WebHouse,
) -> None:
    assert (await house.ask("GET", PATH)).status_code == 404
    await _publish(house, FLAT, flat(300_000))
    waiting = await house.ask("GET", PATH)
    assert waiting.status_code == 409
    assert "Retry-After" in waiting.headers
    await cosign_head(house.db, LATER, FIRST)
    told = _told(await house.get(PATH))
    pinned = PinnedLog(GENESIS.log_key, cosigner(FIRST).vkey)
    assert witnessed(told, pinned) == FLAT
    with pytest.raises(NotOpened):
        witnessed(told, PinnedLog(GENESIS.log_key, cosigner(SECOND).vkey))


async def test_a_tariff_after_the_last_cosigned_checkpoint_waits(
    house: WebHouse,
) -> None:
    await _publish(house, FLAT)
    await cosign_head(house.db, LATER)
    later = flat(300_000)
    await _publish(house, later)
    path = PATH.replace(FLAT.hash().hex(), later.hash().hex())
    assert (await house.ask("GET", path)).status_code == 409
    assert (await house.ask("GET", PATH)).status_code == 200


@pytest.mark.parametrize("name", ["00", "zz" * 32, "AB" * 32, "0" * 65])
async def test_what_is_no_tariff_hash_is_refused(house: WebHouse, name: str) -> None:
    path = f"/v1/network/tariffs/{name}/evidence"
    assert (await house.ask("GET", path)).status_code in (404, 422)


async def test_checkpoint_proof_and_bundle_are_cosigned_and_still_verify(
    tmp_path: Path,
) -> None:
    async with a_lived_in_house(tmp_path) as house:
        await cosign_head(house.db, LATER, FIRST, SECOND)
        served = (await house.ask("GET", "/v1/log/checkpoint")).text
        proof = await house.get("/v1/log/inclusion?index=0")
        assert proof["checkpoint"] == served
        open_note(served, GENESIS.log_key)
        bundle = await house.ask("GET", f"/v1/seals/{house.seals[0]}/bundle", "ada")
    for name in (FIRST, SECOND):
        assert cosigned_at(parse_note(served), cosigner(name)) == LATER
        assert name in bundle.text
    for name, verdict in (
        (FIRST, Verdict.PASS), (SECOND, Verdict.PASS), (THIRD, Verdict.FAIL),
    ):  # fmt: skip
        known = Expectation(GENESIS.network.hex(), (), zone_clock, cosigner(name).vkey)
        claims = {c.name: c.verdict for c in examine(bundle.content, known)}
        assert claims.pop("witness") is verdict
        assert Verdict.FAIL not in claims.values(), claims
