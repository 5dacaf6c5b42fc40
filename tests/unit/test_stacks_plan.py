"""One deed, one nonce, one effect: what is due about a transaction, whatever a node says."""

from dataclasses import replace

import pytest

from meterseal_aggregator.stacks.plan import (
    WAIT,
    Attempt,
    Block,
    Deed,
    Do,
    Found,
    Limits,
    Look,
    Step,
    Unknown,
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
