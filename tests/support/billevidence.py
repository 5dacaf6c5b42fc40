"""A little bill with all its evidence, by hand: seals, log, tariff, ledger.

Two days of quarter hours of one import register: one was told as half an hour, one is a
person's edit, one an estimate. A flat price and a charge per month.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction

from meterseal_proto import merkle
from meterseal_proto.bundle import (
    Anchor,
    Logged,
    anchor_json,
    canonical,
    file_reference,
)
from meterseal_proto.checkpoint import Checkpoint, sign_note
from meterseal_proto.entry import (
    KeyEvent,
    bill_hash_entry,
    key_event_entry,
    leaf_of,
    operator_edit_entry,
    seal_entry,
    tariff_entry,
)
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import load_between
from meterseal_proto.evidence.contents import numbered, pack
from meterseal_proto.evidence.ledgerrun import LedgerEntry, LedgerRun, write_runs
from meterseal_proto.evidence.places import write_places
from meterseal_proto.evidence.sealedfile import SealedRegister, write_seals
from meterseal_proto.evidence.slotsfile import (
    DayVersion,
    History,
    Slots,
    ToldValue,
    write_history,
    write_slots,
)
from meterseal_proto.keys import Algorithm
from meterseal_proto.rating.components import Fixed, Flat, Per, Price, Proration
from meterseal_proto.rating.edit import Edit, edit_hash
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.statement import (
    Rail,
    Segment,
    Statement,
    StatementKind,
    Usage,
    statement_hash,
)
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split
from meterseal_proto.seal import Header, OpenRecord, Seal, record_root, record_salt
from meterseal_proto.units import IMPORT, Quality
from meterseal_proto.verify import zone_clock
from tests.support.evidence import GENESIS, LOG_KEY, METER, ORIGIN, ROOT

MARCH = 1_772_319_600
"""1 March 2026, 0:00 in Berlin."""
APRIL = 1_774_994_400
STEP = 900
DAY = 86_400
SLOTS = 2 * 96
END = MARCH + SLOTS * STEP
KNOWN = END + 7_200
FIRST = 40_000
LONG, EDITED, GUESSED = 20, 50, 190
"""Slots: the first of half an hour told at once, an edit, an estimate."""
MEMBER = 7
SALT = bytes(range(16))
STRANGERS = [b"\x03\x01" + bytes((n,)) * 32 for n in range(3)]
"""Entries that are nobody's here."""
EARLIER_SALT, PREVIOUS_SALT = bytes(range(16, 32)), bytes(range(32, 48))
TARIFF = FullTariff(
    id="house",
    currency="EUR",
    zone="Europe/Berlin",
    valid_from=MARCH - DAY,
    commodity=Commodity.ELECTRICITY,
    components=(
        Flat("energy", Price(321_500)),
        Fixed("meter", Price(6_200_000), Per.MONTH, Proration.DAYS),
    ),
    rounding=Rule.HALF_EVEN,
    split=Split.PROPORTION,
)
NO_SLOTS = Slots(METER, IMPORT, MARCH, STEP, (), b"")
KEY = ROOT.seal_key(Algorithm.SECP256K1)


@dataclass
class Bill:
    """The parts of the evidence; a test changes one and packs them."""

    seals: list[Seal] = field(default_factory=list)
    slots: Slots = field(default_factory=lambda: NO_SLOTS)
    values: list[ToldValue] = field(default_factory=list)
    days: list[DayVersion] = field(default_factory=list)
    tariff: FullTariff = TARIFF
    statement: Statement | None = None
    entries: list[LedgerEntry] = field(default_factory=list)
    earlier: Statement | None = None
    """The bill it takes back or stands in for."""
    previous: Statement | None = None
    """The supply's bill before it."""
    behind: bool = False
    """The log has the other bills behind this one."""
    late_tariff: bool = False
    """The log has the tariff behind the readings."""

    def document(self) -> bytes:
        """Return the statement's spelling."""
        assert self.statement is not None
        return write_statement(self.statement)

    def log(self) -> list[bytes]:
        """Return the log's entries in order, those of strangers first."""
        bills = [
            bill_hash_entry(statement_hash(salt, write_statement(one)))
            for *_, salt, one in self._others()
        ]
        tariff = [tariff_entry(self.tariff.document())]
        return [
            *STRANGERS,
            *([] if self.behind else bills),
            _key_event(),
            *([] if self.late_tariff else tariff),
            *(seal_entry(seal.header, seal.signature) for seal in self.seals),
            *(tariff if self.late_tariff else []),
            *(operator_edit_entry(edit_hash(v.salt, _edit(v)))
              for v in self.values if v.source == "edit"),
            bill_hash_entry(statement_hash(SALT, self.document())),
            *(bills if self.behind else []),
        ]  # fmt: skip

    def files(self) -> dict[str, bytes]:
        """Return all files but the manifest."""
        told = self.log()
        leaves = [leaf_of(entry) for entry in told]
        root = merkle.root_of(leaves)
        anchor = Anchor("file", len(leaves), root, file_reference(len(leaves), root))
        note = sign_note(Checkpoint(ORIGIN, len(leaves), root), LOG_KEY)
        places = {
            leaf: Logged(n, merkle.inclusion_proof(leaves, n))
            for n, leaf in enumerate(leaves)
            if told[n] not in STRANGERS
        }
        files = {
            parts.NETWORK: canonical(asdict(GENESIS)),
            parts.CHECKPOINT: note.encode(),
            parts.ANCHOR: canonical({**(anchor_json(anchor) or {})}),  # type: ignore[dict-item]
            parts.LOG: write_places(places),
            parts.KEYS: parts.write_keys([_key_event()]),
            parts.STATEMENT: self.document(),
            parts.SALT: parts.write_salt(SALT),
            parts.LEDGER: write_runs([_run(self.entries)]),
            numbered(parts.SEALS, 1): write_seals(
                SealedRegister(METER, IMPORT, tuple(self.seals))
            ),
            numbered(parts.USAGE, 1): write_slots(self.slots),
            numbered(parts.HISTORY, 1): write_history(
                History(tuple(self.days), tuple(self.values))
            ),
            numbered(parts.TARIFF, 1): self.tariff.document(),
        }
        for document, salted, salt, one in self._others():
            files[document] = write_statement(one)
            files[salted] = parts.write_salt(salt)
        return files

    def _others(self) -> list[tuple[str, str, bytes, Statement]]:
        """Return the bills before it, each with its files' names and its salt."""
        named = (
            (parts.EARLIER, parts.EARLIER_SALT, EARLIER_SALT, self.earlier),
            (parts.PREVIOUS, parts.PREVIOUS_SALT, PREVIOUS_SALT, self.previous),
        )
        return [
            (document, salted, salt, one)
            for document, salted, salt, one in named
            if one is not None
        ]

    def zip(self, changed: Mapping[str, bytes] | None = None) -> bytes:
        """Return the ZIP, with some files in place of others and a manifest of what is in it."""
        return pack({**self.files(), **(changed or {})})


def a_bill() -> Bill:
    """Return the bill of two days, all of it as it should be."""
    bill = Bill()
    deltas = [40 + n % 37 for n in range(SLOTS)]
    qualities = [int(Quality.VALIDATED)] * SLOTS
    _sealed(bill, deltas)
    qualities[LONG] = qualities[LONG + 1] = int(Quality.QUESTIONABLE)
    edited = ToldValue(
        MARCH + EDITED * STEP, STEP, 111, int(Quality.EDITED), "edit", "", "photo of it",
        "token:ab", KNOWN - 60, bytes((9,)) * 16,
    )  # fmt: skip
    guessed = ToldValue(
        MARCH + GUESSED * STEP, STEP, 77, int(Quality.ESTIMATED), "estimate", "average",
        "", "vee", KNOWN - 90,
    )  # fmt: skip
    bill.values = [guessed, edited]
    for n, value in ((EDITED, edited), (GUESSED, guessed)):
        deltas[n], qualities[n] = value.delta, value.quality
    bill.slots = Slots(METER, IMPORT, MARCH, STEP, tuple(deltas), bytes(qualities))
    bill.days = [
        DayVersion(
            20_513 + n, 1, MARCH + n * DAY, STEP, KNOWN - 50,
            tuple(deltas[n * 96 : (n + 1) * 96]),
            bytes(qualities[n * 96 : (n + 1) * 96]),
        )
        for n in range(2)
    ]  # fmt: skip
    bill.statement = a_statement(bill)
    bill.entries = _posted(bill.statement)
    return bill


def a_following_bill() -> Bill:
    """Return the same bill as a later one of its supply: something is carried to it."""
    bill = a_bill()
    assert bill.statement is not None
    before = Carried(charged=Fraction(1_234, 100))
    bill.statement = a_statement(bill, before)
    bill.entries = _posted(bill.statement)
    (segment,) = bill.statement.segments
    (usage,) = bill.statement.usage
    begin = MARCH - DAY
    earlier = replace(
        segment, begin=begin, end=MARCH, before=NOTHING_CARRIED, after=before
    )
    bill.previous = replace(
        bill.statement, number="2026-00000009", begin=begin, end=MARCH,
        known_at=MARCH + 7_200, issued_at=MARCH + 7_260,
        usage=(replace(usage, begin=begin, end=MARCH),), segments=(earlier,),
        final=False,
    )  # fmt: skip
    return bill


def a_statement(bill: Bill, before: Carried = NOTHING_CARRIED) -> Statement:
    """Return the statement that the tariff gives for the bill's slots."""
    period = Period(MARCH, END, MARCH, APRIL)
    load = load_between([bill.slots], (), MARCH, END)
    rated = rate(bill.tariff, load, period, zone_clock("Europe/Berlin"), before)
    segment = Segment(
        bill.tariff.hash(), MARCH, END, MARCH, APRIL, rated.lines, before, rated.carried
    )
    total = sum(bill.slots.deltas)
    usage = Usage(
        METER, IMPORT, MARCH, END, STEP, FIRST, None, total, 77,
        digest=bill.slots.digest,
    )  # fmt: skip
    return Statement(
        GENESIS.network, "2026-00000012", StatementKind.BILL, MEMBER, 3, "Europe/Berlin",
        MARCH, END, "EUR", 2, Rail.LEDGER, KNOWN, KNOWN + 60, KNOWN + 14 * DAY, (usage,),
        (segment,), final=True,
    )  # fmt: skip


def with_line(statement: Statement, more: int) -> Statement:
    """Return the statement with its first line dearer by so many minor units."""
    (segment,) = statement.segments
    first, *rest = segment.lines
    exact = first.exact + Fraction(more, 100)
    dearer = replace(first, amount=first.amount + more, exact=exact)
    return replace(statement, segments=(replace(segment, lines=(dearer, *rest)),))


def _sealed(bill: Bill, deltas: list[int]) -> None:
    """Seal all slots but the estimate's, two of them as one long interval."""
    value, prev, at = FIRST, bytes(32), 0
    while at < SLOTS:
        if at == GUESSED:
            value += 77
            at += 1
            continue
        width = 2 if at == LONG else 1
        count = (
            1
            if width == 2
            else min(48, *(n - at for n in (LONG, GUESSED, SLOTS) if n > at))
        )
        records = []
        for n in range(count):
            first = at + n * width
            delta = sum(deltas[first : first + width])
            value += delta
            records.append(OpenRecord(MARCH + first * STEP, delta, value, 14))
        if width == 2:
            deltas[at], deltas[at + 1] = (
                records[0].delta // 2,
                records[0].delta - records[0].delta // 2,
            )
        salts = tuple(
            record_salt(ROOT.salt_key(METER), IMPORT, r.start, STEP * width, 0)
            for r in records
        )
        header = Header(
            GENESIS.network, METER, IMPORT, records[0].start, STEP * width, count,
            len(bill.seals) + 1, prev, record_root(records, salts),
        )  # fmt: skip
        prev = header.digest(GENESIS.chain_id)
        bill.seals.append(Seal(header, KEY.sign(prev), tuple(records), salts))
        at += count * width


def _posted(statement: Statement) -> list[LedgerEntry]:
    """Post a statement as its issue does."""
    reference, found = statement.number.encode(), []
    for n, line in enumerate(statement.lines):
        found.append(
            LedgerEntry(
                41 + n, 0, 0, int(n + 1 < len(statement.lines)), line.amount * 10_000, 0,
                END, KNOWN + 60, bytes((n + 1,)) * 32, b"", "EUR",
                f"arrears:{statement.member}", "utility", "bill", reference,
            )
        )  # fmt: skip
    return found


def _run(entries: list[LedgerEntry]) -> LedgerRun:
    run = LedgerRun(bytes((5,)) * 32, tuple(entries), b"")
    return replace(run, hash=run.last_hash())


def _edit(value: ToldValue) -> Edit:
    return Edit(
        GENESIS.network, METER, IMPORT, value.start, value.end, value.delta,
        value.reason, value.author, value.known_at,
    )  # fmt: skip


def _key_event() -> bytes:
    return key_event_entry(
        KeyEvent(
            GENESIS.network, METER, IMPORT, str(KEY.public.algorithm), KEY.public.raw, 1,
            STEP, FIRST, MARCH,
        )
    )  # fmt: skip
