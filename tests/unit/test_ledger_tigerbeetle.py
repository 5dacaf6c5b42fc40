"""TigerBeetle's own state machine tables, run against our ledger rule.

The tables are data (`state_machine_tests.zig`, Apache-2.0). What we decide otherwise is
listed in `POLICY` with its reason; a line that is neither run nor listed fails.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from meterseal_aggregator.ledger.book import AccountKey, Book
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Floor,
    HoldState,
    Phase,
    Refusal,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.ledger.post import post
from meterseal_aggregator.ledger.store import expiry_id
from tests.support.data import shared_data

# Whole tables about things our ledger does not have, and why.
NOT_OURS = {
    "create_accounts": "accounts open on demand from the chart; none is created by request",
    "linked accounts": "accounts open on demand; only transfers are linked",
    "linked_event_chain_open": "the same, for accounts; transfers: see test_ledger_post",
    "linked_event_chain_open for a batch of 1": "the same, for accounts",
    "imported events: imported batch": "no import of other ledgers' time; effective_at is ours",
    "imported events: pending transfers": "no import of other ledgers' time",
    "create_accounts: closed accounts": "no closing of accounts",
    "get_account_transfers: single-phase": "filters are TigerBeetle's query API; ours is SQL",
    "get_account_transfers: invalid filter": "filters are TigerBeetle's query API",
    "get_account_balances: two-phase": "no balance history table; replay gives any prefix",
    "query_accounts": "filters are TigerBeetle's query API",
    "get_change_events": "the hash chain of entries is our event stream; no closing",
}

# Single results we give otherwise: (their result) -> why such a line is not run.
POLICY = {
    "timestamp_must_be_zero": "the caller of a batch gives one `now`; transfers carry none",
    "id_must_not_be_int_max": "ids are 16 or 32 bytes; all ones is an id like any other",
    "flags_are_mutually_exclusive": "phase is an enum, so two at once cannot be said",
    "pending_id_must_not_be_int_max": "ids are bytes; the next line checks a wrong one",
    "id_already_failed": "a refusal leaves no trace, so a refused id may be used again",
}

# Their result -> our refusal and the field we name.
RESULTS: dict[str, tuple[Refusal, str]] = {
    "id_must_not_be_zero": (Refusal.MALFORMED, "id"),
    "exists_with_different_flags": (Refusal.ID_TAKEN, "phase"),
    "exists_with_different_amount": (Refusal.ID_TAKEN, "amount"),
    "exists_with_different_pending_id": (Refusal.ID_TAKEN, "pending_id"),
    "exists_with_different_user_data_128": (Refusal.ID_TAKEN, "reference"),
    "exists_with_different_user_data_64": (Refusal.ID_TAKEN, "reference"),
    "exists_with_different_user_data_32": (Refusal.ID_TAKEN, "reference"),
    "pending_id_must_not_be_zero": (Refusal.MALFORMED, "pending_id"),
    "pending_id_must_be_different": (Refusal.MALFORMED, "pending_id"),
    "timeout_reserved_for_pending_transfer": (Refusal.MALFORMED, "timeout_s"),
    "ledger_must_not_be_zero": (Refusal.MALFORMED, "asset"),
    "pending_transfer_not_found": (Refusal.PENDING_NOT_FOUND, ""),
    "pending_transfer_not_pending": (Refusal.PENDING_NO_HOLD, ""),
    "pending_transfer_has_different_debit_account_id": (
        Refusal.PENDING_DIFFERS,
        "debit",
    ),
    "pending_transfer_has_different_credit_account_id": (
        Refusal.PENDING_DIFFERS,
        "credit",
    ),
    "pending_transfer_has_different_ledger": (Refusal.PENDING_DIFFERS, "asset"),
    "pending_transfer_has_different_code": (Refusal.PENDING_DIFFERS, "purpose"),
    "pending_transfer_has_different_amount": (Refusal.PENDING_DIFFERS, "amount"),
    "exceeds_pending_transfer_amount": (Refusal.EXCEEDS_PENDING, ""),
    "pending_transfer_already_posted": (Refusal.ALREADY_POSTED, ""),
    "pending_transfer_already_voided": (Refusal.ALREADY_VOIDED, ""),
    "pending_transfer_expired": (Refusal.ALREADY_EXPIRED, ""),
    "linked_event_failed": (Refusal.LINKED_FAILED, ""),
    "exceeds_credits": (Refusal.EXCEEDS_CREDITS, ""),
    "exceeds_debits": (Refusal.EXCEEDS_DEBITS, ""),
}


def _number(word: str) -> int:
    digits = word.lstrip("ACDLTU")
    if digits == "_":
        return 0
    return MAX_AMOUNT - int(digits[1:]) if digits.startswith("-") else int(digits)


def _id(word: str) -> TransferId:
    number = _number(word)
    return TransferId(number.to_bytes(16) if number else b"")


def _transfer(words: list[str]) -> Transfer:
    name, debit, credit, amount, pending, *data = words[:8]
    timeout, ledger, code, linked, pen, pos, voi, bdr, bcr = words[8:17]
    phases = {pen: Phase.HOLD, pos: Phase.POST, voi: Phase.VOID}
    given = [phase for word, phase in phases.items() if word != "_"]
    used = [d for d in data if d not in ("_", "U0")]
    return Transfer(
        id=_id(name),
        debit=AccountCode("" if debit == "A0" else debit),
        credit=AccountCode("" if credit == "A0" else credit),
        amount=_number(amount),
        pending_id=_id(pending),
        reference=",".join(data).encode() if used else b"",
        timeout_s=_number(timeout),
        asset=Asset("" if ledger == "L0" else ledger),
        purpose="" if code == "C0" else code,
        linked=linked != "_",
        phase=given[0] if given else Phase.DIRECT,
        at_most=AtMost((bdr != "_") + 2 * (bcr != "_")),
    )


@dataclass
class Machine:
    """Runs one table: batches transfers, commits them, compares every look-up."""

    now: int = 1_000
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    entries: dict[TransferId, Entry] = field(default_factory=dict)
    holds: dict[TransferId, HoldState] = field(default_factory=dict)
    batch: list[tuple[Transfer, str]] = field(default_factory=list)

    def run(self, line: str) -> None:
        words = line.split("//", maxsplit=1)[0].split()
        if not words or words[0] == "#":
            return
        getattr(self, words[0])(words[1:])

    def account(self, words: list[str]) -> None:
        name, code, asset = words[0], AccountCode(words[0]), Asset(words[9])
        floors = {
            (True, False): Floor.CREDITS_COVER,
            (False, True): Floor.DEBITS_COVER,
            (False, False): Floor.NONE,
        }
        floor = floors[("D<C" in words, "C<D" in words)]
        assert words[-1] == "created", name
        self.accounts[(asset, code)] = Account(asset, code, floor)

    def setup(self, words: list[str]) -> None:
        key = (Asset("L1"), AccountCode(words[0]))
        dp, dd, cp, cc = map(int, words[1:])
        self.accounts[key] = Account(
            key[0], key[1], self.accounts[key].floor, dp, dd, cp, cc
        )

    def tick(self, words: list[str]) -> None:
        assert words[1] == "seconds"
        self.now += int(words[0])
        due = [
            Transfer(
                id=expiry_id(hold),
                amount=0,
                asset=Asset(""),
                phase=Phase.EXPIRE,
                pending_id=hold,
            )
            for hold, state in self.holds.items()
            if state is HoldState.PENDING
            and (self.entries[hold].expires_at or self.now + 1) <= self.now
        ]
        assert all(result.entered for result in self._post(due))

    def transfer(self, words: list[str]) -> None:
        if words[-1] not in POLICY:
            self.batch.append((_transfer(words), words[-1]))

    def commit(self, words: list[str]) -> None:
        batch, self.batch = self.batch, []
        if words[0] != "create_transfers":
            return
        results = self._post([transfer for transfer, _ in batch])
        for (transfer, expected), result in zip(batch, results, strict=True):
            if expected in ("created", "exists"):
                assert result.entered, (transfer, result)
                assert result.duplicate is (expected == "exists"), transfer
            else:
                assert (result.refusal, result.field) == RESULTS[expected], transfer

    def _post(self, transfers: list[Transfer]) -> list[Result]:
        book = Book(self.accounts, self.entries, self.holds)
        posting = post(book, transfers, now=self.now)
        self.accounts.update(posting.accounts)
        self.entries.update(posting.entries)
        self.holds.update(posting.holds)
        return list(posting.results)

    def lookup_account(self, words: list[str]) -> None:
        account = self.accounts[(Asset("L1"), AccountCode(words[0]))]
        totals = (
            account.debits_pending,
            account.debits_posted,
            account.credits_pending,
            account.credits_posted,
        )
        assert totals == tuple(map(int, words[1:5])), words

    def lookup_transfer(self, words: list[str]) -> None:
        entry = self.entries.get(_id(words[0]))
        if words[1] == "exists":
            assert (entry is not None) is (words[2] == "true"), words
        else:
            assert words[1] == "amount"
            assert entry is not None
            assert entry.transfer.amount == _number(words[2]), words


def _tables() -> Iterator[tuple[str, list[str]]]:
    path = shared_data("ledger", "tigerbeetle_tables.json")
    for table in json.loads(path.read_text()):
        yield f"{table['test']}", table["lines"]


def test_every_table_that_applies_gives_their_results() -> None:
    ran = 0
    for name, lines in _tables():
        if name in NOT_OURS:
            continue
        machine = Machine()
        for line in lines:
            machine.run(line)
        ran += 1
    assert ran == 9


def test_every_result_of_a_table_that_applies_is_run_or_listed_as_policy() -> None:
    known = RESULTS.keys() | POLICY.keys() | {"created", "exists"}
    seen = {
        line.split("//")[0].split()[-1]
        for name, lines in _tables()
        if name not in NOT_OURS
        for line in lines
        if line.startswith("transfer ")
    }
    assert seen <= known
    assert {name for name, _ in _tables()} >= NOT_OURS.keys()
    assert POLICY.keys() <= seen


def test_a_balancing_retry_may_ask_for_more_but_not_for_less() -> None:
    machine = Machine()
    wh = Asset("L1")
    for code, floor in (("A1", Floor.CREDITS_COVER), ("A2", Floor.NONE)):
        machine.accounts[(wh, AccountCode(code))] = Account(
            wh, AccountCode(code), floor
        )
    machine.setup(["A1", "0", "0", "0", "4"])
    line = "T1 A1 A2 10 _ _ _ _ _ L1 C1 _ _ _ _ BDR _ _ _ _ _ _"
    wish = _transfer(line.split())
    (first,) = machine._post([wish])
    again, more, less = machine._post(
        [wish, replace(wish, amount=11), replace(wish, amount=3)]
    )
    assert (first.amount, again.amount, again.duplicate) == (4, 4, True)
    assert more.duplicate
    assert (less.refusal, less.field) == (Refusal.ID_TAKEN, "amount")
