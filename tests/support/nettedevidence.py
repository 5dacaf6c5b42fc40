"""A private bill that nets what neighbours sold, with all its evidence, by hand.

One hidden day of slots, opened at a tariff of one price and told to be more than what two
slots bought: the device proves that, the market's book and the ledger agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from meterseal_proto import merkle
from meterseal_proto.bill import ProvedBill
from meterseal_proto.bundle import KeyEvidence, Logged, canonical
from meterseal_proto.checkpoint import Checkpoint, sign_note
from meterseal_proto.entry import (
    KeyEvent,
    Opening,
    bill_hash_entry,
    key_event_entry,
    leaf_of,
    opening_entry,
    seal_entry,
    tariff_entry,
)
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, write_netted
from meterseal_proto.evidence.contents import numbered, pack
from meterseal_proto.evidence.ledgerrun import LedgerEntry, LedgerRun, write_runs
from meterseal_proto.evidence.nettingfile import write_netting
from meterseal_proto.evidence.places import write_places
from meterseal_proto.netting import NettedDay, Netting, ProvedNetting, prove_netting
from meterseal_proto.privatefile import BillEvidence, DayEvidence, PrivateFile
from meterseal_proto.rating.components import On, Price, Wheeling
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.statement import (
    Rail,
    Segment,
    Statement,
    StatementKind,
    Usage,
    statement_hash,
)
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.verify import zone_clock
from tests.support.committed import CommittedDevice, Day, bill_over, committed_device
from tests.support.devices import BEGAN_AT
from tests.support.evidence import GENESIS, LOG_KEY, ORIGIN
from tests.support.privatebills import BLOCKS, SLOTS
from tests.support.privateperiods import DAY_S, PIECES, STANDING, daily

MEMBER = 7
END = BEGAN_AT + DAY_S
STEP = 900
NETS = {1: 401, 30: 2_000}
"""Slots of the day, with the Wh that neighbours sold for them: the first one used no more."""
SALT = bytes(range(16))
TARIFF = daily(
    BLOCKS, STANDING, Wheeling("lines", Price(50_000), On.BOUGHT), total_rounding=None
)


@dataclass
class NettedBill:
    """The parts of the evidence; a test changes one and packs them."""

    device: CommittedDevice
    days: list[Day]
    proved: ProvedNetting
    bill: ProvedBill
    sold: dict[int, int]
    statement: Statement
    tariff: FullTariff = TARIFF
    entries: list[LedgerEntry] = field(default_factory=list)
    late_tariff: bool = False
    """The log has the tariff behind the days."""
    mode: int = MODE_COMMITTED
    """As the log's key event says it of the register."""

    def netting_of(self, slots: Mapping[int, int]) -> Netting:
        """Return what nets these slots of the day."""
        days = []
        for n, day in enumerate(self.days):
            each = len(SLOTS)
            own = tuple(
                (slot - n * each, wh)
                for slot, wh in sorted(slots.items())
                if n * each <= slot < (n + 1) * each
            )
            if own:
                first = day.seal.header.first
                days.append(NettedDay(day.digest, first, STEP, own))
        device = self.device
        return Netting(
            GENESIS.network, device.meter, device.register, BEGAN_AT, END, tuple(days)
        )

    def prove(self, netting: Netting) -> ProvedNetting:
        """Prove a netting as the device does."""
        openings = {day.digest: day.openings for day in self.days}
        bits = dict.fromkeys(openings, self.device.bits)
        return prove_netting(netting, openings, bits, self.device.key)

    def rated(self, slots: Mapping[int, int]) -> "NettedBill":
        """Return the same bill netting these slots, posted as it comes to then."""
        statement = self.statement
        period = Period.whole(BEGAN_AT, END)
        netted = tuple((BEGAN_AT + n * STEP, wh) for n, wh in slots.items())
        opened = OpenedPeriod(period, STEP, (self.bill.statement.amount,), netted)
        clock = zone_clock(self.tariff.zone)
        found = rate_opened(self.tariff, plan_of(self.tariff), opened, clock)
        segment = replace(statement.segments[0], lines=found.lines, after=found.carried)
        made = replace(self, statement=replace(statement, segments=(segment,)))
        made.sold = dict(slots)
        made.entries = made._posted()
        return made

    def _posted(self) -> list[LedgerEntry]:
        reference, found = self.statement.number.encode(), []
        for line in self.statement.lines:
            if not line.amount:
                continue
            parties = (f"arrears:{MEMBER}", "utility")
            debit, credit = parties if line.amount > 0 else reversed(parties)
            amount = abs(line.amount) * 10_000
            found.append(("EUR", amount, debit, credit, "bill"))
        wh = sum(self.sold.values())
        if wh:
            found.append(("wh", wh, f"buyer:{MEMBER}", "retired", "retire"))
        return [
            LedgerEntry(
                41 + n, 0, 0, 0, amount, 0, END, END + 60, bytes((n + 1,)) * 32, b"",
                asset, debit, credit, purpose, reference,
            )
            for n, (asset, amount, debit, credit, purpose) in enumerate(found)
        ]  # fmt: skip

    def files(self) -> dict[str, bytes]:
        """Return all files but the manifest."""
        key = self._key_event()
        document = write_statement(self.statement)
        days = [seal_entry(d.seal.header, d.seal.signature) for d in self.days]
        tariff = tariff_entry(self.tariff.document())
        log = [
            key,
            *([*days, tariff] if self.late_tariff else [tariff, *days]),
            opening_entry(Opening.of(self.bill)),
            bill_hash_entry(statement_hash(SALT, document)),
        ]
        leaves = [leaf_of(entry) for entry in log]
        note = sign_note(
            Checkpoint(ORIGIN, len(leaves), merkle.root_of(leaves)), LOG_KEY
        )
        logged = [
            Logged(n, merkle.inclusion_proof(leaves, n)) for n in range(len(leaves))
        ]
        shown = (0, log.index(tariff), len(leaves) - 1)
        sold = [Netted(BEGAN_AT + n * STEP, STEP, wh) for n, wh in self.sold.items()]
        run = LedgerRun(bytes((5,)) * 32, tuple(self.entries), b"")
        return {
            parts.NETWORK: canonical(asdict(GENESIS)),
            parts.CHECKPOINT: note.encode(),
            parts.LOG: write_places({leaves[n]: logged[n] for n in shown}),
            parts.KEYS: parts.write_keys([key]),
            parts.STATEMENT: document,
            parts.SALT: parts.write_salt(SALT),
            parts.LEDGER: write_runs([replace(run, hash=run.last_hash())]),
            numbered(parts.PRIVATE, 1): self._private(key, note, logged).encode(),
            numbered(parts.TARIFF, 1): self.tariff.document(),
            parts.NETTED: write_netted(sold),
            parts.NETTING: write_netting(self.proved),
        }

    def zip(self, changed: Mapping[str, bytes] | None = None) -> bytes:
        """Return the ZIP, with some files in place of others and a manifest of what is in it."""
        return pack({**self.files(), **(changed or {})})

    def _private(self, key: bytes, note: str, logged: Sequence[Logged]) -> PrivateFile:
        days = tuple(
            DayEvidence(
                day.seal.header, day.seal.signature, day.seal.records,
                day.seal.envelope.parcel.proof, logged[2 - self.late_tariff + n],
            )
            for n, day in enumerate(self.days)
        )  # fmt: skip
        (price,) = plan_of(self.tariff).tariffs
        place = logged[2 + len(self.days)]
        bill = BillEvidence(self.bill, price.document(), place)
        return PrivateFile(GENESIS, (KeyEvidence(key, logged[0]),), days, note, bill)

    def _key_event(self) -> bytes:
        device = self.device
        public = device.key.public
        return key_event_entry(
            KeyEvent(
                GENESIS.network, device.meter, device.register, str(public.algorithm),
                public.raw, 1, STEP, 0, BEGAN_AT, mode=self.mode,
                bits=device.bits if self.mode == MODE_COMMITTED else 0,
            )
        )  # fmt: skip


def a_netted_bill() -> NettedBill:
    """Return the bill of one hidden day that nets NETS, all of it as it should be."""
    device = replace(committed_device(), genesis=GENESIS)
    days = [device.tell(SLOTS) for _ in range(PIECES)]
    (price,) = plan_of(TARIFF).tariffs
    bill = bill_over(device, days, price)
    nothing = ProvedNetting(
        Netting(GENESIS.network, device.meter, device.register, BEGAN_AT, END, ()),
        (), bytes(64),
    )  # fmt: skip
    usage = Usage(
        device.meter, device.register, BEGAN_AT, END, STEP, None, None, None, 0,
        proof=bill.statement.digest(),
    )  # fmt: skip
    segment = Segment(TARIFF.hash(), BEGAN_AT, END, BEGAN_AT, END, ())
    statement = Statement(
        GENESIS.network, "2026-00000012", StatementKind.BILL, MEMBER, 3, TARIFF.zone,
        BEGAN_AT, END, "EUR", 2, Rail.LEDGER, END + 60, END + 120, END + DAY_S, (usage,),
        (segment,),
    )  # fmt: skip
    made = NettedBill(device, days, nothing, bill, NETS, statement).rated(NETS)
    made.proved = made.prove(made.netting_of(NETS))
    return made
