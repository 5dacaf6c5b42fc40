"""The demo's list of duties: what was not done is MISSING, whatever else was done."""

import pytest

from deploy.chain_duties import DUTIES, MONTH, USAGE_PROOFS, done, table
from deploy.story.walk import Line

FUNCTIONS = sorted({one for functions in DUTIES.values() for one in functions})


def told(name: str) -> list[Line]:
    """The lines of a duty's function that was done as often as it has to be."""
    function, _, token = name.partition(" in ")
    count = MONTH if function == USAGE_PROOFS else 1
    return [Line("somebody", function, "ab" * 32, token) for _ in range(count)]


def all_but(missing: str) -> list[Line]:
    return [line for name in FUNCTIONS if name != missing for line in told(name)]


def test_what_was_done_on_either_contracts_is_shown_with_its_transaction() -> None:
    every = all_but("")
    assert all(row.enough for row in done(every, []))
    assert all(row.enough for row in done([], every))
    assert "MISSING" not in table(done(every, []))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_nobody_called_is_missing(name: str) -> None:
    # A payment in the token is a payment: it is not there where none is missed.
    lines = [line for line in all_but(name) if line.function != name]
    rows = [row for row in done(lines, []) if not row.enough]
    assert name in {row.function for row in rows}
    assert table(rows).count("MISSING") == len(rows)


def test_a_payment_in_stx_is_none_in_the_stablecoin() -> None:
    lines = [*all_but("payment.pay-bill in usd"), *told("payment.pay-bill in wh")]
    (missing,) = [row for row in done(lines, []) if not row.enough]
    assert missing.function == "payment.pay-bill in usd"


def test_a_month_of_fewer_days_than_any_month_has_is_missing() -> None:
    short = [*all_but(USAGE_PROOFS), *told(USAGE_PROOFS)[1:]]
    (missing,) = [row for row in done(short, []) if not row.enough]
    assert missing.function == USAGE_PROOFS
