"""One deed, one nonce, one effect: what is due about a transaction, whatever a node says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers, lists

from meterseal_aggregator.stacks.node.port import Block, Unknown
from meterseal_aggregator.stacks.outbox.plan import (
    WAIT,
    Attempt,
    Deed,
    Do,
    Found,
    Limits,
    Look,
    Step,
    next_nonce,
    next_step,
)

LIMITS = Limits(depth=3, fee_cap=1000, resend_s=60, bump_after_s=900)
SENT = Deed(1, 5, (Attempt("aa", 200, 1000, 1000),))
BLOCK = Block("aa", 50, "b50", ok=True)


def look(found: Found, *, tip: int = 50, nonce: int = 5, txid: str = "aa") -> Look:
    return Look(tip, nonce, {txid: found})


def step(deed: Deed, seen: Look, *, now: int = 1000, price: int = 100) -> Step:
    return next_step(deed, seen, now, price, LIMITS)


@pytest.mark.parametrize(("price", "fee"), [(100, 100), (0, 1), (5000, 1000)])
def test_a_new_deed_is_priced_within_the_cap(price: int, fee: int) -> None:
    assert step(Deed(1), look(Unknown.NOWHERE), price=price) == Step(Do.PRICE, fee)


def test_an_attempt_that_was_written_down_and_not_sent_is_sent() -> None:
    unsent = Deed(1, 5, (Attempt("aa", 200, 1000),))
    assert step(unsent, look(Unknown.NOWHERE)) == Step(Do.SEND, txid="aa")


def test_the_same_bytes_go_again_only_to_a_node_that_forgot_them() -> None:
    assert step(SENT, look(Unknown.NOWHERE), now=1059) == WAIT
    assert step(SENT, look(Unknown.NOWHERE), now=1060) == Step(Do.SEND, txid="aa")
    assert step(SENT, look(Unknown.PENDING), now=1800) == WAIT


def test_a_stuck_deed_pays_more_up_to_the_cap_and_then_waits() -> None:
    assert step(SENT, look(Unknown.PENDING), now=1900) == Step(Do.PRICE, 250)
    assert step(SENT, look(Unknown.PENDING), now=1900, price=700) == Step(Do.PRICE, 700)
    dear = replace(SENT, attempts=(Attempt("aa", 1000, 1000, 1000),))
    assert step(dear, look(Unknown.PENDING), now=9999) == WAIT


def test_a_deed_behind_a_stuck_one_pays_no_more_for_waiting() -> None:
    assert step(SENT, look(Unknown.PENDING, nonce=4), now=9999) == WAIT


def test_a_block_is_noted_believed_when_deep_and_forgotten_when_gone() -> None:
    assert step(SENT, look(BLOCK, nonce=6)) == Step(Do.SEE, block=BLOCK)
    seen = replace(SENT, seen=BLOCK)
    assert step(seen, look(BLOCK, tip=52, nonce=6)) == WAIT
    assert step(seen, look(BLOCK, tip=53, nonce=6)) == Step(Do.SETTLE, block=BLOCK)
    assert step(seen, look(Unknown.NOWHERE, tip=53)) == Step(Do.UNSEE)
    moved = replace(BLOCK, height=51, block_id="b51")
    assert step(seen, look(moved, tip=60, nonce=6)) == Step(Do.SEE, block=moved)


def test_a_block_that_is_deep_is_noted_before_it_is_believed() -> None:
    assert step(SENT, look(BLOCK, tip=99, nonce=6)) == Step(Do.SEE, block=BLOCK)


def test_an_earlier_attempt_in_a_block_is_the_deeds() -> None:
    twice = replace(SENT, attempts=(*SENT.attempts, Attempt("bb", 250, 1900, 1900)))
    assert step(twice, look(BLOCK, nonce=6)) == Step(Do.SEE, block=BLOCK)


def test_a_nonce_that_a_stranger_used_is_given_up_only_when_that_is_deep() -> None:
    gone = look(Unknown.NOWHERE, tip=50, nonce=6)
    assert step(SENT, gone, now=9999) == Step(Do.TAKEN)
    taken = replace(SENT, taken_at=50)
    assert step(taken, replace(gone, tip=52)) == WAIT
    assert step(taken, replace(gone, tip=53)) == Step(Do.RENUMBER)
    assert step(taken, look(Unknown.NOWHERE, tip=53)) == Step(Do.UNSEE)
    assert step(taken, look(BLOCK, tip=51, nonce=6)) == Step(Do.SEE, block=BLOCK)


def test_nonces_have_no_gaps_and_are_not_given_twice() -> None:
    assert next_nonce(look(Unknown.NOWHERE, nonce=7), ()) == 7
    assert next_nonce(look(Unknown.NOWHERE, nonce=7), {7, 8}) == 9
    assert next_nonce(look(Unknown.NOWHERE, nonce=7), {3}) == 7


def test_a_nonce_that_a_fork_set_free_is_filled_by_the_next_deed() -> None:
    assert next_nonce(look(Unknown.NOWHERE, nonce=7), {8, 9}) == 7


REFUSED = replace(SENT, refused_at=1000)


def test_what_nodes_refuse_for_good_is_cancelled_when_that_lasts() -> None:
    nowhere = look(Unknown.NOWHERE)
    assert step(REFUSED, nowhere, now=1599) == Step(Do.SEND, txid="aa")
    assert step(REFUSED, nowhere, now=1600) == Step(Do.CANCEL, 250)
    assert step(REFUSED, nowhere, now=1600, price=700) == Step(Do.CANCEL, 700)
    behind = look(Unknown.NOWHERE, nonce=3)
    assert step(REFUSED, behind, now=1600) == Step(Do.CANCEL, 250)


def test_what_a_node_holds_after_all_is_not_cancelled() -> None:
    assert step(REFUSED, look(Unknown.PENDING), now=1800) == WAIT
    assert step(REFUSED, look(BLOCK, nonce=6), now=1800) == Step(Do.SEE, block=BLOCK)


def test_a_cancel_at_the_cap_has_a_price_of_its_own_and_is_bumped_as_a_cancel() -> None:
    nowhere = look(Unknown.NOWHERE)
    tried = (Attempt("aa", 999, 1000, 1000), Attempt("bb", 1000, 1000, 1000))
    capped = replace(REFUSED, attempts=tried)
    assert step(capped, nowhere, now=1600) == Step(Do.CANCEL, 998)
    cheap = (Attempt("aa", 1, 1000, 1000),)
    poor = Limits(depth=3, fee_cap=1)
    done = next_step(replace(REFUSED, attempts=cheap), nowhere, 1600, 5, poor)
    assert done == WAIT
    cancelling = (Attempt("aa", 200, 1000, 1000), Attempt("cc", 250, 1600, 1600, True))
    under_way = replace(REFUSED, attempts=cancelling)
    assert step(under_way, look(Unknown.PENDING, txid="cc"), now=1700) == WAIT
    later = step(under_way, look(Unknown.PENDING, txid="cc"), now=2500)
    assert later == Step(Do.CANCEL, 313)


def test_a_cancelled_deed_is_not_done_and_one_that_came_through_is() -> None:
    attempts = (*SENT.attempts, Attempt("cc", 250, 1600, 1600, True))
    deed = replace(SENT, attempts=attempts)
    assert deed.done_by(BLOCK)
    assert not deed.done_by(replace(BLOCK, txid="cc"))
    assert not deed.done_by(replace(BLOCK, ok=False))


@given(
    fees=lists(integers(1, 2_000), min_size=0, max_size=5, unique=True),
    cap=integers(1, 3_000),
    price=integers(0, 10_000),
    now=integers(0, 10_000),
    nonce=integers(4, 6),
    refused=booleans(),
    cancels=booleans(),
)
def test_no_step_ever_pays_more_than_the_cap_or_a_price_twice(  # noqa: PLR0917
    fees: list[int],
    cap: int,
    price: int,
    now: int,
    nonce: int,
    refused: bool,
    cancels: bool,
) -> None:
    attempts = [Attempt(f"{fee}", fee, 0, 0) for fee in fees]
    if attempts and cancels:
        attempts[-1] = replace(attempts[-1], cancels=True)
    deed = Deed(
        1, 5 if fees else None, tuple(attempts), None, None, 0 if refused else None
    )
    seen = Look(50, nonce, {})
    due = next_step(deed, seen, now, price, Limits(depth=3, fee_cap=cap))
    if due.do in (Do.PRICE, Do.CANCEL):
        assert 1 <= due.fee <= cap
        assert due.fee not in fees
