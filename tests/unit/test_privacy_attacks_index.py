"""Which test holds which attack on private metering: an index that cannot go stale.

`ATTACKS` are the bad inputs and attacks that private metering was built against, one by
one; `SETTLED` what was settled about privacy (18 to 27 of the design's settled questions).
Each names the tests that hold it, as `file::test`; of the contracts' suite, the words a
test's title begins with. A test that disappears or is renamed fails here, so whoever
moves it says here where the attack is held now. The list says where to look: that the
named tests do hold it is theirs to show.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parents[1]
CONTRACTS: Final = TESTS.parent / "contracts" / "tests"

ATTACKS: Final[dict[str, tuple[str, ...]]] = {
    "frozen heart: each absorbed item dropped in turn": (
        "unit/test_rangeproof_transcript.py::test_a_message_that_is_not_heard_hides_any_excess",
        "unit/test_rangeproof_transcript.py::test_commitments_that_are_not_heard_are_changed_afterwards",
        "unit/test_rangeproof_transcript.py::test_a_context_that_is_not_heard_lets_yesterdays_proof_serve_today",
        "unit/test_rangeproof_transcript.py::test_generators_bits_count_and_all_else_change_the_first_challenge",
        "unit/test_rangeproof_transcript.py::test_every_message_changes_every_later_challenge_and_none_before",
    ),
    "batch cancellation": (
        "unit/test_rangeproof_attacks.py::test_errors_that_cancel_under_equal_weights_do_not_under_fresh_ones",
        "unit/test_rangeproof_attacks.py::test_weights_known_beforehand_let_errors_cancel_so_they_are_drawn_each_time",
        "unit/test_privacy_proofs.py::test_two_proofs_swapped_between_days_both_fail",
    ),
    "out of range": (
        "unit/test_rangeproof_attacks.py::test_a_value_out_of_range_or_negative_is_not_proved_by_its_low_bits",
        "unit/test_rangeproof_attacks.py::test_an_excess_does_not_hide_in_the_padding_either",
        "laws/test_rangeproof_laws.py::test_one_value_out_of_range_spoils_the_proof_whichever_it_is",
    ),
    "a successor told a false end of its chain": (
        "unit/test_agent_memory.py::test_days_that_come_back_without_their_openings_stay_closed",
    ),
    "openings, tariffs or histories without end": (
        "unit/test_agent_billing.py::test_a_period_is_opened_as_often_as_the_aggregator_takes_and_never_more",
        "unit/test_agent_billing.py::test_tariffs_take_no_more_room_than_they_may_and_records_have_the_rest",
        "simulation/test_lost_device.py::test_an_aggregator_that_gives_days_without_end_fills_no_memory",
    ),
    "one trustee that never ends its answer": (
        "unit/test_httpclient.py::test_who_drips_an_answer_holds_up_nobody",
        "unit/test_httpclient.py::test_an_answer_is_never_unpacked",
    ),
    "negative": (
        "unit/test_rangeproof_attacks.py::test_usage_below_zero_would_cancel_anothers_and_is_refused",
        "unit/test_rangeproof_attacks.py::test_a_commitment_of_the_other_sign_is_a_negative_usage_and_refused",
    ),
    "swapped order": (
        "unit/test_rangeproof_attacks.py::test_a_proof_serves_no_other_context_width_count_or_order",
        "unit/test_bill.py::test_other_intervals_prices_or_order_are_refused",
    ),
    "other meter, period or context": (
        "unit/test_privacy_proofs.py::test_another_meters_proof_and_another_days_prove_nothing",
        "unit/test_rangeproof_attacks.py::test_a_proof_serves_no_other_context_width_count_or_order",
        "unit/test_bill.py::test_every_word_of_the_statement_is_bound",
        "unit/test_private_bills.py::test_a_bill_about_something_else_is_refused_by_name",
    ),
    "infinity and points off the curve": (
        "unit/test_rangeproof_attacks.py::test_nothing_but_a_point_stands_for_a_point",
        "unit/test_rangeproof_attacks.py::test_nothing_but_a_point_stands_for_a_commitment",
        "unit/test_committed_message.py::test_commitments_that_cancel_are_malformed",
        "unit/test_bill.py::test_blindings_that_cancel_sign_nothing_and_pass_for_nothing",
    ),
    "65-byte and hybrid encodings": (
        "unit/test_rangeproof_attacks.py::test_a_library_takes_65_bytes_and_hybrids_and_we_do_not",
        "unit/test_group.py::test_only_the_one_encoding_of_a_point_is_taken",
    ),
    "all-zero usage": (
        "unit/test_rangeproof_attacks.py::test_a_day_without_usage_is_proved_like_any_other",
        "unit/test_bill.py::test_a_period_without_usage_costs_nothing_and_is_proved_to",
        "unit/test_agent_sampler.py::test_a_private_register_that_stands_still_looks_like_one_that_moves",
    ),
    "duplicate points": (
        "unit/test_rangeproof_attacks.py::test_a_commitment_given_twice_is_no_statement",
        "unit/test_rangeproof_attacks.py::test_a_point_given_twice_is_refused",
        "unit/test_committed_message.py::test_a_commitment_told_twice_is_malformed",
    ),
    "a reused (meter, register, seq)": (
        "unit/test_intake_committed.py::test_two_contents_for_one_number_in_one_batch_are_equivocation",
        "unit/test_intake_committed.py::test_a_revision_told_twice_is_equivocation",
        "laws/test_committed_laws.py::test_any_order_loss_and_repetition_of_days_leaves_the_same_state_and_answers",
    ),
    "a restored snapshot": (
        "unit/test_intake_committed.py::test_a_restored_snapshot_that_seals_a_number_twice_is_evidence",
        "unit/test_committer.py::test_a_day_is_the_same_whatever_is_killed_between_two_steps",
        "unit/test_opening.py::test_a_restored_device_opens_nothing_before_it_knows_its_chain",
        "unit/test_commitment.py::test_one_value_of_a_slot_has_one_blinding_and_another_value_another",
    ),
    "the unit-vector tariff": (
        "unit/test_refinement.py::test_a_unit_vector_and_too_unlike_prices_are_refused",
        "unit/test_private_bills.py::test_the_unit_vector_tariff_is_refused",
    ),
    "two near-equal tariffs": (
        "unit/test_refinement.py::test_two_near_tariffs_open_what_each_alone_hides",
        "unit/test_opening.py::test_two_tariffs_that_together_single_out_intervals_are_refused",
        "unit/test_private_bills.py::test_two_near_equal_tariffs_over_one_period_are_one_too_many",
    ),
    "the single tariff 250,000 / 250,001": (
        "unit/test_refinement.py::test_one_tariff_can_open_one_interval_and_is_refused",
        "unit/test_opening.py::test_one_tariff_that_singles_out_an_interval_is_refused",
        "unit/test_private_bills.py::test_the_tariff_250000_and_250001_is_refused",
    ),
    "two different sets served to two trustees": (
        "ports/test_trustee_totals.py::test_two_sets_served_to_two_trustees_open_nothing",
        "unit/test_trustee_rules.py::test_nobody_answers_before_all_three_have_signed",
    ),
    "masks sent again with another value": (
        "unit/test_trustee_desk.py::test_a_seal_sent_again_with_another_value_is_another_set",
        "unit/test_totals.py::test_a_second_value_of_a_place_has_other_masks",
    ),
    "set S plus one meter": (
        "ports/test_trustee_totals.py::test_a_set_never_changes",
        "unit/test_trustee_desk.py::test_another_set_of_the_place_is_refused",
        "ports/test_totals_duty.py::test_a_second_set_of_a_day_is_refused_and_the_refusal_shown",
        "laws/test_trustee_laws.py::test_no_requests_open_fewer_than_twenty_meters",
    ),
    "overlapping cells": (
        "unit/test_private_totals.py::test_cells_are_large_fixed_and_apart",
        "unit/test_trustee_rules.py::test_a_meter_is_in_one_cell",
        "laws/test_trustee_laws.py::test_the_check_sees_what_overlapping_sums_open",
    ),
    "a sum that is not the sum": (
        "unit/test_intake_committed.py::test_a_sum_that_is_not_the_sum_is_a_wrong_signature",
        "unit/test_privacy_proofs.py::test_the_audit_finds_what_was_meddled_with",
        "ports/test_web_private.py::test_every_part_of_a_bill_file_is_checked",
    ),
    "a wrong bill signed by a willing device": (
        "unit/test_bill.py::test_a_device_that_is_willing_cannot_prove_a_wrong_amount",
        "unit/test_private_bills.py::test_a_willing_device_cannot_sign_another_amount",
    ),
    "repeated ids": (
        "ports/test_trustee_totals.py::test_sets_too_small_too_large_or_doubled_are_refused",
        "unit/test_trustee_rules.py::test_a_set_that_is_not_of_its_cell_and_day_is_refused",
    ),
    "one trustee lying": (
        "ports/test_trustee_totals.py::test_a_lying_trustee_is_found_out_by_the_two_others",
        "ports/test_totals_duty.py::test_a_trustee_that_lies_is_outvoted_and_its_signed_lie_is_kept",
        "ports/test_totals_duty.py::test_no_meter_is_blamed_while_a_trustee_lies",
        "unit/test_trustee_rules.py::test_a_complaint_brings_another_trustees_own_answer",
    ),
    "one or two trustees down": (
        "ports/test_trustee_totals.py::test_with_one_down_two_answer_and_with_two_down_nobody_can",
        "ports/test_totals_duty.py::test_with_one_trustee_down_at_the_end_the_two_others_are_enough",
        "ports/test_totals_duty.py::test_with_trustees_down_a_day_waits_and_nothing_is_lost",
    ),
    "a masked opening that does not match its commitment": (
        "unit/test_private_totals.py::test_a_lying_meter_closes_the_total_and_tells_nothing",
        "ports/test_trustee_totals.py::test_a_cheating_meter_is_named_and_no_mask_leaves",
        "ports/test_totals_duty.py::test_a_cheating_meter_is_named_and_nothing_is_opened",
    ),
    "flipped proofs": (
        "sweeps/test_rangeproof_flips.py::test_no_turned_bit_of_a_proof_is_accepted",
        "sweeps/test_rangeproof_flips.py::test_no_bent_byte_of_a_proof_is_accepted",
        "sweeps/test_rangeproof_flips.py::test_no_bent_byte_of_a_days_proof_is_accepted",
        "sweeps/test_rangeproof_flips.py::test_one_bent_bit_among_a_hundred_days_is_found",
    ),
    "a literal checker that says otherwise": (
        "sweeps/test_rangeproof_literal.py::test_both_say_the_same_of_random_and_mutated_proofs",
        "sweeps/test_rangeproof_literal.py::test_both_say_the_same_of_a_days_proof",
    ),
    "rows and work without end": (
        "unit/test_wrong_proofs.py::test_after_a_wrong_proof_an_agents_days_are_checked_one_at_a_time",
        "unit/test_wrong_proofs.py::test_enough_wrong_proofs_a_day_make_an_agent_wait_and_no_other",
        "unit/test_wrong_proofs.py::test_a_day_is_told_so_often_and_a_device_stops_long_before",
        "unit/test_private_bills.py::test_a_period_is_opened_so_often_and_no_more",
        "unit/test_set_aside_limit.py::test_beyond_its_allowance_an_agents_nonsense_waits_for_tomorrow",
    ),
}  # fmt: skip

SETTLED: Final[dict[str, tuple[str, ...]]] = {
    "18 verifiers add the sum up again, and infinity is none": (
        "unit/test_intake_committed.py::test_a_sum_that_is_not_the_sum_is_a_wrong_signature",
        "unit/test_committed_message.py::test_commitments_that_cancel_are_malformed",
    ),
    "18 open seals have no sum and no bits": (
        "unit/test_intake_committed.py::test_an_open_seal_for_a_committed_register_is_refused_and_not_kept",
        "unit/test_committed_message.py::test_an_open_seal_is_read_as_before",
    ),
    "18 a contract takes a sum with its header under an anchored root": (
        "meter-data.test.ts::u409: forged inclusion",
        "meter-data.test.ts::u1003: a sum is a point",
    ),
    "19 the common refinement keeps atoms of 24, ratios of 100": (
        "unit/test_refinement.py::test_an_atom_of_one_is_always_refused",
        "unit/test_refinement.py::test_a_period_of_few_intervals_is_never_opened",
        "unit/test_opening.py::test_prices_far_apart_are_refused",
        "unit/test_private_bills.py::test_the_audit_names_bills_that_tell_too_much_together",
        "unit/test_refinement.py::test_what_the_device_lets_pass_tells_no_auditor_anything",
    ),
    "19 slots everybody knows shield nobody": (
        "unit/test_refinement.py::test_slots_everybody_knows_shield_nobody",
        "unit/test_private_bills.py::test_missing_slots_shield_nobody",
        "unit/test_opening.py::test_slots_that_everybody_knows_shield_nobody",
    ),
    "19 the same period at another tariff only while it stays legal": (
        "unit/test_opening.py::test_a_legal_second_tariff_of_a_period_is_its_next_revision",
        "unit/test_refinement.py::test_ordinary_tariffs_open_again_and_again",
    ),
    "19 a corrected day is not opened again": (
        "unit/test_opening.py::test_a_corrected_day_is_not_opened_again",
        "unit/test_opening.py::test_a_day_told_again_is_billed_as_it_was_told",
    ),
    "19 bounds of prices, values and terms": (
        "unit/test_bill.py::test_other_intervals_prices_or_order_are_refused",
        "unit/test_bill.py::test_an_amount_beyond_all_bounds_is_refused",
        "unit/test_tariff.py::test_what_is_no_tariff_is_refused_with_its_reason",
    ),
    "20 the bill's signature is under X, which is no infinity": (
        "unit/test_schnorr.py::test_the_golden_bill_is_signed_under_its_x",
        "unit/test_bill.py::test_blindings_that_cancel_sign_nothing_and_pass_for_nothing",
    ),
    "20 prices of zero need no proof": (
        "unit/test_bill.py::test_prices_of_zero_need_no_proof_and_give_no_room_for_one",
    ),
    "20 every commitment is of an accepted and proved seal": (
        "unit/test_private_bills.py::test_a_bill_waits_until_its_days_are_verified",
        "unit/test_private_bills.py::test_a_day_whose_proof_failed_is_not_billed_but_its_revision_is",
    ),
    "20 the current seal key consents too": (
        "unit/test_private_bills.py::test_the_log_of_x_is_not_consent",
        "unit/test_bill.py::test_knowing_the_blindings_is_not_the_devices_consent",
        "ports/test_web_rotated_bills.py::test_days_of_the_old_key_are_billed_by_consent_of_the_new_one_only",
    ),
    "20 openings are a chain that a restored device has to know": (
        "unit/test_private_bills.py::test_openings_form_one_chain_and_no_fork",
        "unit/test_opening.py::test_what_was_opened_cannot_be_forgotten",
        "unit/test_opening.py::test_a_restored_device_opens_nothing_before_it_knows_its_chain",
        "ports/test_web_histories.py::test_a_successor_is_told_the_last_opening_and_the_sealed_starts",
    ),
    "21 a commitment opens by recovery, zero by a Schnorr proof": (
        "unit/test_commitment.py::test_public_key_recovery_finds_the_commitment",
        "privacy-proof.test.ts::zero opens by a Schnorr proof",
        "unit/test_chain_vectors.py::test_proofs_are_the_scripts_and_prove_one_point_and_message",
    ),
    "21 the generators' hash covers V and B": (
        "unit/test_commitment.py::test_the_bases_follow_from_the_tag_and_nothing_else",
        "unit/test_rangeproof_transcript.py::test_generators_bits_count_and_all_else_change_the_first_challenge",
    ),
    "22 secrets never multiply in public": (
        "unit/test_secret.py::test_a_public_route_does_not_take_a_secret",
        "unit/test_secret_uses.py::test_secrets_are_revealed_in_these_places_only",
    ),
    "23 cells of 32 or more, twenty to a total, fixed for a quarter": (
        "unit/test_private_totals.py::test_cells_are_large_fixed_and_apart",
        "unit/test_private_totals.py::test_fewer_than_k_homes_stay_closed_until_more_are_in",
        "ports/test_totals_duty.py::test_homes_that_are_too_few_stay_closed",
        "usage-aggregation.test.ts::u1203: fewer than 20",
    ),
    "23 one set a cell and day, signed by all three before any answers": (
        "usage-aggregation.test.ts::u1206: a second set",
        "unit/test_trustee_desk.py::test_nobody_answers_for_a_set_it_did_not_sign",
        "ports/test_trustee_program.py::test_killed_at_any_moment_a_place_still_has_one_set",
    ),
    "23 longer totals only add up posted ones": (
        "usage-aggregation.test.ts::longer totals only add posted ones",
    ),
    "23 masks are bound to the seal they hide": (
        "unit/test_reporting.py::test_a_place_is_the_one_its_device_masked_under",
        "unit/test_totals.py::test_masks_of_another_set_do_not_fit",
    ),
    "23 a slot is in a total once": (
        "unit/test_trustee_rules.py::test_sets_share_neither_a_meter_of_a_day_nor_a_masks_place",
        "unit/test_trustee_desk.py::test_one_seal_is_in_no_second_set_of_another_day",
    ),
    "23 late meters are one set of the whole network": (
        "unit/test_trustee_desk.py::test_late_meters_are_those_of_no_other_set",
        "ports/test_totals_duty.py::test_late_homes_of_all_cells_are_one_set_of_their_own",
    ),
    "23 a receipted day that is in no set is noted": (
        "ports/test_totals_duty.py::test_a_day_that_was_receipted_and_is_in_no_set_is_noted_with_its_reason",
    ),
    "23 trustees countersign rosters": (
        "unit/test_trustee_desk.py::test_a_roster_waits_for_a_person",
        "ports/test_trustee_program.py::test_a_person_countersigns",
        "ports/test_totals_duty.py::test_a_roster_waits_for_a_person_and_an_answer_under_another_key_is_none",
    ),
    "23 a contract wants two trustees under a total": (
        "usage-aggregation.test.ts::u1208: two different trustees",
    ),
    "24 mode and bits change with nobody's message": (
        "unit/test_registry_committed.py::test_a_successor_cannot_open_a_committed_register",
        "unit/test_agent_private_config.py::test_mode_and_bits_stay_as_they_were_enrolled",
    ),
    "24 trustees are pinned at installation, and seeds sealed to each": (
        "unit/test_agent_seeds.py::test_other_trustees_than_those_written_down_are_refused",
        "unit/test_seedbox.py::test_a_trustee_opens_all_seeds_but_its_own",
        "unit/test_seedbox.py::test_a_box_opens_for_its_trustee_meter_network_and_seed_only",
    ),
    "24 a committed register tells no power, no value, no alarm of usage": (
        "ports/test_private_program.py::test_nothing_a_committed_agent_says_tells_its_usage",
        "ports/test_web_private.py::test_no_interval_value_is_anywhere_in_the_aggregator",
        "unit/test_committed_day.py::test_the_qualities_of_a_long_interval_do_not_hang_on_what_was_used",
        "unit/test_agent_sampler.py::test_a_private_register_that_leaps_or_falls_back_looks_like_one_that_counts",
        "ports/test_technician_report.py::test_a_report_holds_no_value_of_a_committed_meter",
    ),
    "24 seals of one size, at a time usage does not choose": (
        "unit/test_committer.py::test_messages_of_as_many_slots_are_of_one_size",
        "unit/test_committed_message.py::test_a_days_size_follows_from_its_count_alone",
        "unit/test_committer.py::test_a_day_leaves_at_its_own_time_and_never_when_it_is_ready",
    ),
    "24 backups of one width, bound to their day": (
        "unit/test_backup.py::test_a_day_comes_back_as_it_was_and_is_as_long_as_any",
        "unit/test_backup.py::test_another_place_key_or_byte_opens_nothing",
    ),
    "25 a tariff is known under two pinned keys before its period": (
        "unit/test_opening.py::test_a_tariff_is_known_before_the_period_or_never",
        "unit/test_opening.py::test_a_tariff_the_witness_did_not_cosign_is_not_believed",
        "unit/test_opening.py::test_one_key_pinned_twice_is_no_second_opinion",
        "unit/test_agent_billing.py::test_a_tariff_that_was_told_after_the_period_began_opens_nothing",
        "unit/test_agent_billing.py::test_receipts_kept_back_and_a_clock_set_back_make_no_tariff_older",
        "unit/test_history.py::test_a_bill_under_a_key_of_the_logs_own_making_makes_no_tariff_older",
    ),
    "26 usage proofs on chain: seq grows, prev fits, days join, a window to correct": (
        "meter-data.test.ts::u1004: a header brought before",
        "meter-data.test.ts::u1005: the next seq names the last header",
        "meter-data.test.ts::u1006: a day overlaps no other",
        "meter-data.test.ts::u1007: a day is told again until its window ends",
        "billing.test.ts::u1308: days are the meter's own, in order, without a gap",
    ),
    "26 periods are equal or apart, on the device and here": (
        "unit/test_opening.py::test_periods_are_equal_or_apart",
        "unit/test_private_bills.py::test_periods_are_equal_or_disjoint",
        "billing.test.ts::u1307: no day is billed twice",
    ),
    "26 only the member opens usage on chain": (
        "billing.test.ts::u1300: nobody opens another's usage",
    ),
    "27 the resident's own page, behind his PIN": (
        "ports/test_resident_page.py::test_a_bill_is_shown_line_by_line_and_recomputed",
        "ports/test_resident_page.py::test_what_others_see_is_said_day_by_day_and_bill_by_bill",
        "ports/test_resident_attacks.py::test_without_a_session_every_page_is_the_form",
    ),
    "27 openings recompute the bill": (
        "ports/test_resident_page.py::test_the_openings_it_gives_out_recompute_the_bill_file",
        "unit/test_openings_file.py::test_a_bill_is_counted_again_from_usage_line_by_line",
    ),
}  # fmt: skip

NAMED: Final = [
    (item, place) for item, places in (ATTACKS | SETTLED).items() for place in places
]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests that pytest would collect from a file."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize(
    "place", sorted({place for _, place in NAMED}), ids=lambda place: place
)
def test_every_test_the_index_names_is_there(place: str) -> None:
    file, _, name = place.partition("::")
    if file.endswith(".ts"):
        text = (CONTRACTS / file).read_text()
        titles = (f'it("{name}', f"it('{name}", f"it(`{name}")
        assert any(title in text for title in titles), place
    else:
        assert name in names_in(TESTS / file), place


def test_every_item_is_held_by_a_test() -> None:
    assert all(places for places in (ATTACKS | SETTLED).values())
    numbers = {item.split()[0] for item in SETTLED}
    assert numbers == {str(number) for number in range(18, 28)}
