"""TigerBeetle's state machine tables: how their lines are run against our ledger.

The tables are data (`state_machine_tests.zig`, Apache-2.0). `Machine` runs the rule alone;
`Queries` runs the store on a real file and asks for histories and balances.
"""

from dataclasses import dataclass, field, replace

from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.asof import Page, Sides, balance_as_of, history
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.book import AccountKey, Book
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Floor,
    Freeze,
    Frost,
    HoldState,
    Phase,
    Refusal,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.ledger.post import post
from meterseal_aggregator.ledger.store import expiry_id
from meterseal_aggregator.storage.database import Transaction

L1 = Asset("L1")
NOBODY = AccountCode("")

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


def transfer_of(words: list[str]) -> Transfer:
    """Return the transfer of a line, without its first word."""
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
        freezes=Freeze(("CDR" in words) + 2 * ("CCR" in words)),
    )


def _totals(account: Account) -> tuple[int, int, int, int]:
    return (
        account.debits_pending,
        account.debits_posted,
        account.credits_pending,
        account.credits_posted,
    )


@dataclass
class Shadow:
    """The same ledger made again entry by entry, for what each entry left behind."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    entries: dict[TransferId, Entry] = field(default_factory=dict)
    holds: dict[TransferId, HoldState] = field(default_factory=dict)
    frosts: dict[TransferId, Frost] = field(default_factory=dict)
    events: list[tuple[Transfer, Account, Account]] = field(default_factory=list)

    def enter(self, entry: Entry) -> None:
        """Post one entry alone and keep its two accounts as it left them."""
        book = Book(self.accounts, self.entries, self.holds, self.frosts)
        alone = replace(entry.transfer, linked=False)
        posting = post(book, [alone], now=entry.recorded_at)
        assert posting.results[0].entered, entry
        self.accounts.update(posting.accounts)
        self.entries.update(posting.entries)
        self.holds.update(posting.holds)
        self.frosts.update(posting.frosts)
        t = entry.transfer
        self.events.append(
            (t, self.accounts[(t.asset, t.debit)], self.accounts[(t.asset, t.credit)])
        )


@dataclass
class Machine:
    """Runs one table: batches transfers, commits them, compares every look-up."""

    now: int = 1_000
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    entries: dict[TransferId, Entry] = field(default_factory=dict)
    holds: dict[TransferId, HoldState] = field(default_factory=dict)
    frosts: dict[TransferId, Frost] = field(default_factory=dict)
    shadow: Shadow = field(default_factory=Shadow)
    batch: list[tuple[Transfer, str]] = field(default_factory=list)
    events: list[tuple[Transfer, Account, Account]] = field(default_factory=list)

    def run(self, line: str) -> None:
        """Run one line; a comment does nothing."""
        words = line.split("//", maxsplit=1)[0].split()
        if not words or words[0] == "#":
            return
        getattr(self, words[0])(words[1:])

    def account(self, words: list[str]) -> None:
        """Open an account."""
        name, code, asset = words[0], AccountCode(words[0]), Asset(words[9])
        floors = {
            (True, False): Floor.CREDITS_COVER,
            (False, True): Floor.DEBITS_COVER,
            (False, False): Floor.NONE,
        }
        floor = floors[("D<C" in words, "C<D" in words)]
        assert words[-1] == "created", name
        self.accounts[(asset, code)] = Account(asset, code, floor)
        self.shadow.accounts[(asset, code)] = self.accounts[(asset, code)]

    def setup(self, words: list[str]) -> None:
        """Give an account its totals."""
        key = (Asset("L1"), AccountCode(words[0]))
        dp, dd, cp, cc = map(int, words[1:])
        self.accounts[key] = Account(
            key[0], key[1], self.accounts[key].floor, dp, dd, cp, cc
        )
        self.shadow.accounts[key] = self.accounts[key]

    def tick(self, words: list[str]) -> None:
        """Let time pass, and holds expire."""
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
        assert all(result.entered for result in self.post(due))

    def transfer(self, words: list[str]) -> None:
        """Add a transfer to the batch."""
        if words[-1] not in POLICY:
            self.batch.append((transfer_of(words), words[-1]))

    def commit(self, words: list[str]) -> None:
        """Post the batch and compare every result."""
        batch, self.batch = self.batch, []
        if words[0] != "create_transfers":
            return
        results = self.post([transfer for transfer, _ in batch])
        for (transfer, expected), result in zip(batch, results, strict=True):
            if expected in ("created", "exists"):
                assert result.entered, (transfer, result)
                assert result.duplicate is (expected == "exists"), transfer
            else:
                assert (result.refusal, result.field) == RESULTS[expected], transfer

    def post(self, transfers: list[Transfer]) -> list[Result]:
        """Post a batch and keep what it did."""
        book = Book(self.accounts, self.entries, self.holds, self.frosts)
        posting = post(book, transfers, now=self.now)
        self.accounts.update(posting.accounts)
        self.entries.update(posting.entries)
        self.holds.update(posting.holds)
        self.frosts.update(posting.frosts)
        for entry in posting.entries.values():
            self.shadow.enter(entry)
        return list(posting.results)

    def lookup_account(self, words: list[str]) -> None:
        """Compare the four totals of an account, and whether it is closed."""
        account = self.accounts[(Asset("L1"), AccountCode(words[0]))]
        assert _totals(account) == tuple(map(int, words[1:5])), words
        assert (words[5] == "CLSD") is bool(account.frozen), words

    def lookup_transfer(self, words: list[str]) -> None:
        """Compare what is known of a transfer."""
        entry = self.entries.get(_id(words[0]))
        if words[1] == "exists":
            assert (entry is not None) is (words[2] == "true"), words
        else:
            assert words[1] == "amount"
            assert entry is not None
            assert entry.transfer.amount == _number(words[2]), words

    def get_change_events(self, words: list[str]) -> None:
        """Choose events from one transfer to another, and so many of them."""
        low, high = (_id(word) for word in words[:2])
        ids = [t.id for t, _, _ in self.shadow.events]
        first = ids.index(low) if low else 0
        end = ids.index(high) + 1 if high else len(ids)
        self.events = self.shadow.events[first:end][: _number(words[2])]

    def get_change_events_result(self, words: list[str]) -> None:
        """Compare the next event: what it did and how it left both accounts."""
        t, debit, credit = self.events.pop(0)
        kinds = {
            Phase.HOLD: "PEN",
            Phase.POST: "POS",
            Phase.VOID: "VOI",
            Phase.EXPIRE: "EXP",
        }
        assert kinds.get(t.phase, "_") == words[0], words
        # An expiry has an id of its own here, and none there.
        assert t.phase is Phase.EXPIRE or t.id == _id(words[1]), words
        assert (t.amount, t.pending_id) == (int(words[2]), _id(words[3])), words
        for account, told in ((debit, words[4:10]), (credit, words[10:16])):
            assert account.code[1:] == told[0][1:], words
            assert _totals(account) == tuple(map(int, told[1:5])), words
            assert (told[5] == "CLSD") is bool(account.frozen), words


@dataclass
class Queries:
    """Runs a table on the store; their accounts are `chain:*` of an asset of money."""

    tx: Transaction
    batch: list[Transfer] = field(default_factory=list)
    found: list[tuple[int, Entry]] = field(default_factory=list)
    of: AccountCode = NOBODY

    async def run(self, line: str) -> None:
        """Run one line; a comment does nothing."""
        words = line.split("//", maxsplit=1)[0].split()
        if not words or words[0] in ("#", "account"):
            return
        if words[0] == "transfer":
            wish = transfer_of(words[1:])
            debit, credit = (
                AccountCode(f"chain:{c}") for c in (wish.debit, wish.credit)
            )
            self.batch.append(replace(wish, debit=debit, credit=credit))
        elif words[0] == "commit":
            await self._commit(words[1])
        elif words[0].endswith("_result"):
            await self._result(words[1:])
        else:
            await self._ask(words[1:])

    async def _commit(self, what: str) -> None:
        if what == "create_transfers":
            await declare(self.tx, L1, now=0)
            results = await store.post(self.tx, self.batch, now=1_000)
            assert all(result.entered for result in results)
        assert self.found == [], "more was found than they tell"

    async def _ask(self, words: list[str]) -> None:
        low, high = _number(words[5]), _number(words[6])
        sides = {("DR", "CR"): Sides.BOTH, ("DR", "_"): Sides.DEBITS}
        page = Page(limit=int(words[7]), newest_first=words[10] == "REV")
        page = replace(page, sides=sides.get((words[8], words[9]), Sides.CREDITS))
        if low:
            page = replace(page, after=low - 1)
        if high:
            page = replace(page, before=high + 1)
        self.of = AccountCode(f"chain:{words[0]}")
        self.found = await history(self.tx, L1, self.of, page)

    async def _result(self, words: list[str]) -> None:
        seq, entry = self.found.pop(0)
        assert entry.transfer.id == _id(words[0])
        if words[1:]:
            told = await balance_as_of(self.tx, L1, [self.of], seq=seq)
            assert _totals(told[self.of]) == tuple(map(int, words[1:])), words
