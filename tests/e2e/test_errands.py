"""Seeds deposited, kept and masked by; a tariff told, a bill asked, taken and logged."""

from pathlib import Path

from deploy.processes import Failed
from meterseal_proto.claims import Expectation
from meterseal_proto.verify import examine, zone_clock
from tests.e2e.errands import PrivateHome, private_home
from tests.support.evidence import unproved

HALF_A_DAY_S = 43_200


def test_a_private_home_is_billed_and_masked_whatever_is_killed_on_the_way(
    tmp_path: Path,
) -> None:
    with private_home(tmp_path) as home:
        made = home.deposit_and_hear()
        home.begin_day()
        home.learn_tariff()
        home.live_the_day()
        begin, end = home.street.start, home.street.end
        refused = home.answered(home.ask(begin, begin + HALF_A_DAY_S))
        assert (refused["state"], refused["reason"]) == ("refused", "too-short")
        billed = home.answered(home.ask(begin, end))
        assert (billed["state"], billed["not_taken"]) == ("billed", None)
        assert home.kills == 7
        assert home.rows(home.outbox, "SELECT payload FROM deposits") == [(made,)]
        assert masked(home) == 1
        bill_is_right(home, billed["bill"])


def masked(home: PrivateHome) -> int:
    """Return how many days' sums the aggregator has under masks."""
    ((count,),) = home.rows(
        home.database,
        "SELECT count(*) FROM masked_openings o JOIN committed_seals s"
        " ON s.id = o.seal_id WHERE s.first = ?",
        home.street.start,
    )
    return int(count)


def bill_is_right(home: PrivateHome, number: int) -> None:
    """Compare the bill with the device's own values, and verify its file offline."""
    api = home.street.api
    network = api.get("/v1/network")["network"]
    (bill,) = api.pages(home.requests.replace("bill-requests", "private-bills"))
    assert bill["id"] == number
    home.until(lambda: given(home, number), "the bill's file")
    known = Expectation(network, clock=zone_clock)
    claims = examine(given(home, number), known)
    assert unproved(claims) == ["anchor"], claims
    assert int(bill["amount"]) == 250_000 * home.used_wh() > 0


def given(home: PrivateHome, number: int) -> bytes:
    """Return the bill's file, nothing while no checkpoint covers it."""
    try:
        return home.street.api.text(f"/v1/private-bills/{number}/file").encode()
    except Failed as refused:
        assert "problem:not-yet" in str(refused)
        return b""
