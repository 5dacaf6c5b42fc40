"""Random ledgers: strategies of transfers of every kind, and a ledger in memory.

Few ids, few accounts and small amounts, so that holds meet their resolutions, freezes
meet both, and some ids come twice. Two assets share names.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from meterseal_aggregator.ledger.book import AccountKey, Book
from meterseal_aggregator.ledger.chain import START, entry_hash
from meterseal_aggregator.ledger.chart import DISPUTES
from meterseal_aggregator.ledger.check import Replay
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    WH,
    Account,
    AccountCode,
    Asset,
    AtMost,
    Entry,
    Freeze,
    Frost,
    HoldState,
    Phase,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.ledger.post import post

CODES = [
    AccountCode(code)
    for code in (
        "meter:aa:measured",
        "meter:bb:measured",
        "producer:1",
        "producer:2",
        "escrow:9",
        "buyer:3",
        "retired:3",
        "reversed",
        "debt:1",
        "nowhere",
    )
]
MONEY_CODES = [AccountCode(code) for code in ("cash", "user:1", "escrow:9", "fee")]
XTS = Asset("XTS")
"""Money; only `escrow:9` and `disputes` are names in both assets."""
LINKED = st.sampled_from([False, False, False, True])


def _ids(first: int, last: int) -> st.SearchStrategy[TransferId]:
    return st.integers(first, last).map(lambda n: TransferId(n.to_bytes(16)))


# Few holds, so that resolutions meet them; few other ids, so that some come twice.
HOLD_IDS = _ids(1, 3)
FREEZE_IDS = _ids(201, 203)
IDS = _ids(4, 60)
AMOUNTS = st.sampled_from([*range(25), MAX_AMOUNT, MAX_AMOUNT // 2])


@st.composite
def moves(
    draw: st.DrawFn, codes: list[AccountCode] = CODES, asset: Asset = WH
) -> Transfer:
    """Draw a transfer at once, of anything between anything."""
    return Transfer(
        id=draw(IDS),
        amount=draw(AMOUNTS),
        debit=draw(st.sampled_from(codes)),
        credit=draw(st.sampled_from(codes)),
        purpose="test",
        at_most=draw(st.sampled_from([AtMost.EXACT, *AtMost])),
        linked=draw(LINKED),
        asset=asset,
        effective_at=draw(st.integers(0, 9)),
    )


@st.composite
def holds(draw: st.DrawFn) -> Transfer:
    """Draw a hold, with an end or without."""
    debit, credit = draw(st.permutations(CODES[1:6]))[:2]
    return Transfer(
        id=draw(HOLD_IDS),
        amount=draw(st.integers(0, 12)),
        debit=debit,
        credit=credit,
        purpose="test",
        phase=Phase.HOLD,
        timeout_s=draw(st.sampled_from([0, 2])),
        linked=draw(LINKED),
    )


@st.composite
def resolutions(draw: st.DrawFn) -> Transfer:
    """Draw what ends a hold or a freeze, or tries to."""
    phase = draw(st.sampled_from([Phase.POST, Phase.VOID, Phase.EXPIRE]))
    amounts = st.sampled_from([0, 1, 2, 5, MAX_AMOUNT])
    return Transfer(
        id=draw(IDS),
        amount=draw(amounts if phase is Phase.POST else st.just(0)),
        phase=phase,
        pending_id=draw(HOLD_IDS | FREEZE_IDS),
        asset=draw(st.sampled_from([WH, Asset("")])),
        linked=draw(LINKED),
        effective_at=draw(st.integers(0, 9)),
    )


@st.composite
def freezes(draw: st.DrawFn) -> Transfer:
    """Draw a freeze of an account, of two or of a hold."""
    what = draw(st.sampled_from([Freeze.DEBIT, Freeze.BOTH, Freeze.HOLD, Freeze.HOLD]))
    of_hold = what is Freeze.HOLD
    return Transfer(
        id=draw(FREEZE_IDS),
        amount=0,
        debit=AccountCode("") if of_hold else draw(st.sampled_from(CODES[2:6])),
        credit=AccountCode("") if of_hold else DISPUTES,
        purpose="dispute",
        phase=Phase.HOLD,
        pending_id=draw(HOLD_IDS) if of_hold else TransferId(b""),
        timeout_s=draw(st.sampled_from([0, 3])),
        asset=Asset("") if of_hold else WH,
        linked=draw(LINKED),
        freezes=what,
    )


def transfers() -> st.SearchStrategy[Transfer]:
    """Return a strategy of transfers of every kind."""
    energy = moves() | moves(CODES[2:7]) | holds()
    return energy | resolutions() | freezes() | moves(MONEY_CODES, XTS)


BATCHES = st.lists(
    st.tuples(st.integers(0, 2), st.lists(transfers(), max_size=12)),
    max_size=6,
)


@dataclass
class Ledger:
    """A ledger in memory that remembers every entry in order."""

    now: int = 100
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    entries: dict[TransferId, Entry] = field(default_factory=dict)
    holds: dict[TransferId, HoldState] = field(default_factory=dict)
    frosts: dict[TransferId, Frost] = field(default_factory=dict)

    def post(self, batch: list[Transfer]) -> list[Result]:
        """Post a batch and keep what it did."""
        book = Book(
            self.accounts, self.entries, self.holds, self.frosts, frozenset({XTS})
        )
        posting = post(book, batch, now=self.now)
        self.accounts.update(posting.accounts)
        self.entries.update(posting.entries)
        self.holds.update(posting.holds)
        self.frosts.update(posting.frosts)
        return list(posting.results)

    def replayed(self) -> Replay:
        """Return the ledger made again from its entries, which all fit."""
        replay, before = Replay(frozenset({XTS})), START
        for seq, entry in enumerate(self.entries.values(), 1):
            before = entry_hash(before, seq, entry)
            assert replay.enter(seq, before, entry) == ""
        return replay


def state_of(ledger: Ledger) -> tuple[object, ...]:
    """Return all that a refusal or a retry must leave as it was."""
    kept = (ledger.accounts, ledger.entries, ledger.holds, ledger.frosts)
    return tuple(dict(one) for one in kept)


def funded() -> Ledger:
    """A ledger in which the producers, the buyer and the escrow hold 15 each."""
    ledger = Ledger()
    ledger.post(
        [
            Transfer(
                id=TransferId(bytes([n]) * 32),
                amount=15,
                debit=CODES[0],
                credit=code,
                purpose="test",
            )
            for n, code in enumerate(CODES[2:6], 1)
        ]
    )
    return ledger


def run(batches: list[tuple[int, list[Transfer]]]) -> Ledger:
    """Return a funded ledger after these batches, each so many seconds on."""
    ledger = funded()
    for step, batch in batches:
        ledger.now += step
        ledger.post(batch)
    return ledger
