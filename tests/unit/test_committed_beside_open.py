"""Committed registers beside open ones: no audit, validation or credit ever counts them."""

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from meterseal_aggregator.credits import audit as credits_audit
from meterseal_aggregator.credits import mint
from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.privacy import check, proofs, totals
from meterseal_aggregator.privacy.model import KeptDay, ProofState
from meterseal_aggregator.vee import audit as vee_audit
from meterseal_aggregator.vee import job as vee
from meterseal_proto.reporting import Place
from meterseal_trustee import rules
from tests.support.committed import committed_device
from tests.support.devices import BEGAN_AT, GENESIS, device
from tests.support.frontdesk import NOW, front_desk


async def test_every_audit_is_clean_with_both_kinds_in_one_database(
    tmp_path: Path,
) -> None:
    shown, hidden, bad = device(1), committed_device(2), committed_device(3)
    async with front_desk(tmp_path, [shown, hidden, bad]) as desk:
        wrong = bad.day([1, 2])
        wrong = bad.with_proof(wrong, bytes(len(wrong.seal.envelope.parcel.proof)))
        days = [hidden.tell([5, None, 7]), hidden.tell([9]), wrong]
        sent = [shown.tell(100, 200), shown.tell(300)]
        messages = [one.by("pi-1") for one in sent] + [one.by("pi-1") for one in days]
        await desk.take(*messages)
        await proofs.run_once(desk.database, GENESIS, NOW, set_aside)
        assert await vee.run_once(desk.database, NOW) == 3
        assert await vee.run_once(desk.database, NOW) == 0
        await mint.run_once(desk.database, GENESIS.network, NOW)
        async with desk.database.reading() as tx:
            found = await intake_check.findings(tx, GENESIS)
            found += await check.findings(tx, GENESIS)
            found += await check.told(tx, GENESIS)
            found += await check.community(tx, GENESIS)
            found += await vee_audit.findings(tx)
            found += await credits_audit.findings(tx)
        assert [one for one in found if not one.ok] == []
        assert {
            row[0] for row in await desk.rows("SELECT register_id FROM readings")
        } == {1}


def test_a_trustee_takes_the_set_that_the_aggregator_makes() -> None:
    """Both say the same of days, headers and places; neither imports the other."""
    day = BEGAN_AT // 86_400 + 1
    begin, end = totals.day_span(day, "Europe/Madrid")
    theirs = rules.day_span(day, ZoneInfo("Europe/Madrid"))
    assert (theirs.start, theirs.end) == (begin, end)
    hidden = [committed_device(n, step=3_600) for n in range(1, 21)]
    sealed = [
        one.day([n] * ((end - begin) // 3_600), begin) for n, one in enumerate(hidden)
    ]
    kept = [
        KeptDay(
            n, n, "pi-1", one.digest, one.seal.header, one.seal.signature,
            one.seal.records, one.seal.envelope.parcel.proof, ProofState.VERIFIED,
        )
        for n, one in enumerate(sealed)
    ]  # fmt: skip
    reported = [totals.reported(one) for one in kept]
    members = {one.meter: one.register for one in hidden}
    place = Place(GENESIS.network, "street", day)
    rules.check_set(place, reported, members, theirs, end + 1)
    rules.check_apart(reported, set(), set())
    assert datetime.datetime.fromtimestamp(begin, ZoneInfo("Europe/Madrid")).hour == 0
