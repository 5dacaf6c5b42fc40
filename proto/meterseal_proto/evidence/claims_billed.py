"""The claims that evidence of a bill makes, each judged on its own and by name.

Beside what all evidence claims: the document and its hash in the log, what the bill before
left to it, its usage slot by slot, each tariff's document, every line rated again, the lines'
sum, what neighbours sold, the private registers' own proofs, what their devices netted, and
what the ledger was posted.
What a file cannot tell is that no later credit note took the bill back. This module must
never raise for anything a ZIP holds, and never let one good claim cover for another.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from meterseal_proto.claims import Claim, Unasked, Verdict, Wrong, judge_one
from meterseal_proto.claims_private import judge_private
from meterseal_proto.entry import bill_hash_entry, leaf_of, seal_entry, tariff_entry
from meterseal_proto.evidence import claims_netting
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedcase import Billed
from meterseal_proto.evidence.billedload import load_between
from meterseal_proto.evidence.billedspans import (
    check_cycle,
    check_parts,
    check_registers,
)
from meterseal_proto.evidence.billedtotal import check_total, money_text
from meterseal_proto.evidence.claims import (
    given,
    judge_files,
    judge_log,
    judge_seals,
)
from meterseal_proto.evidence.claims_before import judge_carried, judge_earlier
from meterseal_proto.evidence.claims_slots import (
    judge_history,
    judge_usage,
    open_usage,
    slots_of,
)
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, LineKind, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.price import Unrateable, rate
from meterseal_proto.rating.statement import (
    MAX_MINOR,
    Rail,
    Segment,
    StatementKind,
    statement_hash,
)
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime

_BILL: Final = "bill"
_RETIRE: Final = "retire"
_WH: Final = "wh"


def judge_billed(case: Billed) -> tuple[Claim, ...]:
    """Judge every claim of a bill's evidence, in the order a reader follows them."""
    document = tuple(judge_one(n, check, case) for n, check in DOCUMENT_CLAIMS)
    money = tuple(judge_one(n, check, case) for n, check in MONEY_CLAIMS)
    if case.has(parts.NETTED) or _buys(case):
        money = (*money, judge_one("netted", _netted, case))
    if claims_netting.is_asked(case):
        name, check = claims_netting.NAME, claims_netting.judge_netting
        money = (*money, judge_one(name, check, case))
    if case.has(parts.EARLIER) or _follows(case):
        document = (*document, judge_one("earlier", judge_earlier, case))
    return (
        *judge_files(case), *document, *judge_seals(case), *_judge_usage(case),
        *_judge_private(case), *money, *judge_log(case),
    )  # fmt: skip


def _judge_usage(case: Billed) -> Iterator[Claim]:
    yield judge_one("usage", _usage, case)
    yield judge_one("history", _history, case)


def _judge_private(case: Billed) -> Iterator[Claim]:
    """Judge the proofs of private registers, each claim under its file's name."""
    try:
        usage = case.statement.usage
    except Wrong:
        return
    for number, told in enumerate(usage, 1):
        if not told.proof:
            continue
        name = f"private-{number}"
        try:
            file = case.private(number)
        except Wrong as wrong:
            yield Claim(name, Verdict.FAIL, str(wrong))
            continue
        yield judge_one(name, partial(_private, number=number), case)
        for claim in judge_private(file, case.expectation):
            yield Claim(f"{name}.{claim.name}", claim.verdict, claim.text)


def _statement(case: Billed) -> str:
    statement = case.statement
    if statement.network != given(lambda: case.genesis, parts.NETWORK).network:
        raise Wrong("the statement is of another network than the genesis document")
    said = "final bill" if statement.final else statement.kind.value
    return (
        f"{said} {statement.number} of member {statement.member}, meter point"
        f" {statement.meter_point}, {statement.begin} to {statement.end}"
    )


def _bill_hash(case: Billed) -> str:
    salt = case.read(parts.SALT, parts.read_salt)
    document = given(lambda: case.content(parts.STATEMENT), parts.STATEMENT)
    logged = case.prove(bill_hash_entry(statement_hash(salt, document)), "the bill")
    return f"the salted hash of the document is entry {logged.index} of the log"


def _usage(case: Billed) -> str:
    check_registers(case.known.usage)
    return judge_usage(case, case.known.usage)


def _history(case: Billed) -> str:
    return judge_history(case, case.known.usage, case.known.known_at)


def _private(case: Billed, number: int) -> str:
    told, signed = case.statement.usage[number - 1], case.signed(number)
    if signed.statement.digest() != told.proof:
        raise Wrong("it is not the bill that the statement names")
    place = (signed.statement.meter, signed.statement.register)
    if place != (told.meter, told.register):
        raise Wrong("it is of another register than the statement says")
    if (signed.statement.begin, signed.statement.end) != (told.begin, told.end):
        raise Wrong("it is of another period than the statement says")
    if signed.statement.network != case.statement.network:
        raise Wrong("it is of another network than the statement")
    return "the device's own bill is what the statement stands on"


def _tariff(case: Billed) -> str:
    statement = case.known
    for segment in statement.segments:
        tariff = _tariff_of(case, segment)
        if tariff.valid_from > segment.begin:
            raise Wrong(f"{tariff.id} is not valid when its segment begins")
        if (tariff.currency, tariff.minor) != (statement.currency, statement.minor):
            raise Wrong(f"{tariff.id} is of another currency than the statement")
        entry = tariff_entry(tariff.document())
        logged = case.prove(entry, f"tariff {tariff.id}")
        if logged.index > _first_reading(case, segment.begin):
            raise Wrong(f"{tariff.id} is in the log behind readings that it prices")
    names = sorted({tariff.id for tariff in case.tariffs.values()})
    return (
        f"{', '.join(names)}: {len(case.tariffs)} versions, each in the log before the"
        " sealed readings that it prices"
    )


def _first_reading(case: Billed, begin: int) -> int:
    """Return the place in the log of the first seal from `begin` on; beyond all of none."""
    places = given(lambda: case.places, parts.LOG)
    leaves = (
        leaf_of(seal_entry(seal.header, seal.signature))
        for sealed in given(lambda: case.sealed, parts.SEALS).values()
        for seal in sealed.seals
        if seal.header.first >= begin
    )
    found = [places[one].index for one in leaves if one in places]
    for number, told in enumerate(case.known.usage, 1):
        if told.proof:
            file = given(partial(case.private, number), parts.PRIVATE)
            found += [day.logged.index for day in file.days]
    return min(found, default=MAX_SIZE)


def _tariff_of(case: Billed, segment: Segment) -> FullTariff:
    tariff = case.tariffs.get(segment.tariff)
    if tariff is None:
        raise Wrong(f"no tariff of the file hashes to {segment.tariff.hex()[:16]}")
    return tariff


def _lines(case: Billed) -> str:
    statement = case.known
    if statement.kind is StatementKind.CREDIT_NOTE:
        raise Unasked("a credit note's lines are those of its bill: see `earlier`")
    if not all(told.digest or told.proof for told in statement.usage):
        raise Unasked(
            "usage is estimated as a whole, until its device opens the period"
        )
    check_parts(statement)
    for segment in statement.segments:
        tariff = given(partial(_tariff_of, case, segment), parts.TARIFF)
        tariffs = given(lambda: case.tariffs, parts.TARIFF).values()
        check_cycle(statement, segment, tariffs, _clock(case, tariff.zone))
        rated = rate_segment(case, segment, tariff)
        for mine, told in zip(rated.lines, segment.lines, strict=False):
            if mine != told:
                raise Wrong(
                    f"line {told.component!r} {told.part!r} says {told.amount}, rated it is"
                    f" {mine.component!r} {mine.part!r} {mine.amount}"
                )
        if len(rated.lines) != len(segment.lines) or rated.after != segment.after:
            raise Wrong("the tariff gives other lines than the statement has")
    text = f"{len(statement.lines)} lines are what the tariffs give for the usage"
    if statement.segments[0].before == NOTHING_CARRIED:
        return text
    return f"{text}, from what is carried to it"


def rate_segment(case: Billed, segment: Segment, tariff: FullTariff) -> Segment:
    """Return a segment as its tariff gives it for the usage; raises Wrong or Unasked."""
    period = Period(segment.begin, segment.end, segment.cycle_begin, segment.cycle_end)
    try:
        local = _clock(case, tariff.zone)
        if any(told.proof for told in case.known.usage):
            rated = _rate_hidden(case, tariff, period, segment.before)
        else:
            rated = rate(tariff, _load(case, segment), period, local, segment.before)
    except Unrateable as error:
        raise Wrong(f"{tariff.id} cannot rate the usage: {error}") from None
    except (ValueError, OverflowError, OSError) as error:
        raise Wrong(f"the usage cannot be rated: {error}") from None
    return Segment(
        segment.tariff, segment.begin, segment.end, segment.cycle_begin,
        segment.cycle_end, rated.lines, segment.before, rated.carried,
    )  # fmt: skip


def _rate_hidden(
    case: Billed, tariff: FullTariff, period: Period, before: Carried
) -> Rated:
    """Rate what devices opened, and nothing else."""
    plan, told = plan_of(tariff), case.known.usage
    signed = [
        given(partial(case.signed, number), parts.PRIVATE).statement
        for number in range(1, len(told) + 1)
    ]
    if [one.tariff for one in signed] != [one.hash() for one in plan.tariffs]:
        raise Wrong("the devices opened other amounts than the tariff needs")
    amounts = tuple(one.amount for one in signed)
    proved = given(lambda: case.netting, parts.NETTING)
    slots = () if proved is None else tuple(proved.netting.slots())
    opened = OpenedPeriod(period, told[0].step, amounts, slots)
    return rate_opened(tariff, plan, opened, _clock(case, tariff.zone), before)


def _load(case: Billed, segment: Segment) -> Load:
    slots = [
        given(partial(slots_of, case, number), parts.USAGE)
        for number, _ in open_usage(case.known.usage)
    ]
    netted = given(lambda: case.netted, parts.NETTED)
    whole = case.known.segments
    load = load_between(slots, netted, whole[0].begin, whole[-1].end)
    low = (segment.begin - load.first) // load.step
    high = (segment.end - load.first) // load.step
    return Load(
        segment.begin, load.step, load.imported[low:high], load.exported[low:high],
        load.bought[low:high],
    )  # fmt: skip


def _clock(case: Billed, zone: str) -> LocalTime:
    clock = case.expectation.clock
    if clock is None:
        raise Unasked("there is no time zone database to rate with")
    try:
        return clock(zone)
    except (KeyError, OSError, ValueError):
        raise Unasked(f"time zone {zone} is not known here") from None


def _total(case: Billed) -> str:
    """Judge the sum by itself: it is read beside the statement's own reader."""
    document = given(lambda: case.content(parts.STATEMENT), parts.STATEMENT)
    count = check_total(document)
    return f"{count} lines add up to {money_text(case.known)}"


def _netted(case: Billed) -> str:
    wanted, holder = case.netted, f"buyer:{case.known.member}"
    if not wanted and _buys(case):
        raise Wrong(f"lines name Wh of neighbours, and {parts.NETTED} is missing")
    retired = sum(
        entry.amount
        for entry in case.moved()
        if (entry.purpose, entry.asset, entry.debit) == (_RETIRE, _WH, holder)
    )
    told = sum(one.wh for one in wanted)
    if told != retired:
        raise Wrong(f"{told} Wh were netted, the ledger retired {retired}")
    return f"{told} Wh that neighbours sold were netted, and retired in the ledger"


def _buys(case: Billed) -> bool:
    """Tell whether a line says that neighbours sold something."""
    try:
        lines = case.statement.lines
    except Wrong:
        return False
    return any(line.kind is LineKind.TRADED and line.quantity for line in lines)


def _follows(case: Billed) -> bool:
    """Tell whether the statement names a bill before it."""
    try:
        return bool(case.statement.corrects or case.statement.replaces)
    except Wrong:
        return False


def _ledger(case: Billed) -> str:
    statement = case.known
    if statement.kind is StatementKind.CREDIT_NOTE:
        raise Unasked("the bill in its place posts the difference of both")
    if statement.rail is Rail.STACKS:
        raise Unasked("the bill is kept and paid on the chain: ask its contract there")
    own = {f"arrears:{statement.member}", f"user:{statement.member}"}
    posted = 0
    for entry in case.moved():
        if entry.purpose != _BILL:
            continue
        if (entry.reference, entry.asset) != (
            statement.number.encode(), statement.currency,
        ):  # fmt: skip
            raise Wrong(f"entry {entry.seq} is of another bill")
        posted += entry.amount * ((entry.debit in own) - (entry.credit in own))
    before = (
        given(lambda: case.earlier, parts.EARLIER).total if statement.replaces else 0
    )
    asked = (statement.total - before) * 10 ** (MAX_MINOR - statement.minor)
    if posted != asked:
        raise Wrong(f"{posted} micro-units were posted, the document asks {asked}")
    more = f" beside {statement.replaces}" if statement.replaces else ""
    return f"{posted} micro-units were posted to the member{more}, as the document asks"


DOCUMENT_CLAIMS: Final[tuple[tuple[str, Callable[[Billed], str]], ...]] = (
    ("statement", _statement),
    ("bill-hash", _bill_hash),
    ("carried", judge_carried),
)
MONEY_CLAIMS: Final[tuple[tuple[str, Callable[[Billed], str]], ...]] = (
    ("tariff", _tariff),
    ("lines", _lines),
    ("total", _total),
    ("ledger", _ledger),
)
