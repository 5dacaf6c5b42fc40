"""Every text of the resident's page, and how its numbers are written: one place for all.

Plain words for a kitchen, not for a meter room. Another language is another such module;
no other module of the page may hold a text that is read there.
"""

from datetime import date, datetime
from typing import Final

from meterseal_agent.meters.registers import is_volume
from meterseal_agent.resident.figures import DayShown, Went
from meterseal_proto.tariff import EVERY_DAY, EVERY_MONTH, Band
from meterseal_proto.units import (
    EXPORT,
    GAS,
    HEAT,
    IMPORT,
    WATER,
    RegisterId,
    obis_text,
)

LANGUAGE: Final = "en"
TITLE: Final = "Your meter"
SKIP: Final = "Skip to content"
USAGE, BILLS, OTHERS, LEAVE = "Usage", "Bills", "What others see", "Log out"
MENU: Final = "Pages"

PIN_ASKED: Final = "Enter your PIN"
PIN_LABEL: Final = "PIN (8 digits)"
PIN_HINT: Final = "It is on the sheet that came with your meter's box."
PIN_LOST: Final = "Lost it? Whoever looks after the box can make a new one."
PIN_ENTER: Final = "Open"
PIN_WRONG: Final = "That was not the PIN."
PIN_SHAPE: Final = "A PIN has eight digits."
PIN_NONE: Final = "There is no PIN yet: run meterseal-agent resident-pin on the box."
PIN_UNKEPT: Final = "The box cannot check a PIN right now. Please try again later."
NOTHING_HERE: Final = "There is no such page."
BACK: Final = "Go to the start"

PRIVATE_NOTE: Final = (
    "This page is on the box in your home. What it shows stays there, unless you take"
    " it out yourself."
)
TODAY_SO_FAR, YESTERDAY = "Today so far", "Yesterday"
THIS_MONTH, LAST_MONTH = "This month so far", "Last month"
MONTHS, DAYS, HOURS = "Months", "Days", "Hours"
MONTH, DAY, HOUR, USED = "Month", "Day", "Hour", "Used"
BAR, NOTE = "Compared", "Note"
NOTHING_YET: Final = "Nothing was counted yet."
NOT_KEPT: Final = (
    "Days are kept for about 13 months; before that, your bills are the record."
)
OPEN_SHORT: Final = (
    "This one is not private: its readings go to the operator, who shows them to you."
    " Here only the last two days are kept."
)
BARS: Final = "The longest bar is the row with the most."

NO_BILLS: Final = "Your meter has not signed a bill yet."
PERIOD, PRICE, COSTS, TOTAL, WHEN = "Period", "Price", "Costs", "Total", "When"
TARIFF: Final = "Tariff"
RIGHT: Final = (
    "Counted again from what your meter kept: it comes to exactly this amount."
)
WRONG: Final = (
    "Counted again from what your meter kept, it comes to another amount. Do not pay"
    " before this is cleared up: show this page to whoever looks after the box."
)
TOO_OLD: Final = (
    "The days of this bill are no longer kept here, so it cannot be counted again."
)
ROUNDING: Final = "Exactly, before rounding to whole cents:"
CORRECTION: Final = "correction"
COUNT_AGAIN: Final = "Count it again yourself"
COUNT_HOW: Final = (
    "Download your openings, ask your operator for the bill's file, and give both to"
    " the free program meterseal-verify, on any computer:"
)
COUNT_COMMAND: Final = "meterseal-verify BILL.json --openings {file}"
DOWNLOAD: Final = "Download the openings of this bill"
DOWNLOAD_WARNING: Final = (
    "Whoever has this file can read your usage, hour by hour and finer. Keep it to"
    " yourself."
)

OTHERS_INTRO: Final = (
    "Of what you use, your operator, your neighbours and the public log see only what is"
    " listed here."
)
OTHERS_DAYS: Final = "Every day"
OTHERS_DAY: Final = (
    "What leaves the house: a commitment, a proof, nothing else. The commitment is a"
    " sealed number that nobody can open; the proof says that it is a possible one. It"
    " leaves at the same time of night, however much or little you used."
)
OTHERS_FINE: Final = (
    "To be exact: a backup travels with it that only this box, or your recovery sheet,"
    " can open. And others can see when your meter was silent; the table says how long."
)
OTHERS_BILLS: Final = "Every bill your meter signed"
OTHERS_BILL: Final = (
    "Your operator sees one number, the amount, and not what you used at which price. The"
    " public log keeps a fingerprint of the bill, without the amount."
)
OTHERS_NETTED: Final = "Energy from neighbours"
OTHERS_NET: Final = (
    "For each slot in which a neighbour's energy was delivered to you, the box was asked"
    " once whether you used at least as much, and answered yes or no. How much you used,"
    " it did not say."
)
NOTHING_NETTED: Final = "Nothing was told of energy from neighbours."
SLOTS_ASKED, SLOTS_REACHED = "Slots asked about", "Answered yes"
OTHERS_TOTALS: Final = "Totals of your community"
OTHERS_IN: Final = (
    "Your home is part of a community total: the sum of at least 20 homes is published"
    " for each day. So a masked share of yours travels with each day. Two of three"
    " independent trustees must agree to add the shares up, and none of them sees yours."
)
OTHERS_OUT: Final = "Your home is not part of any community total."
OTHERS_OPEN: Final = "Not private"
OTHERS_EVERYTHING: Final = (
    "Every interval of this one leaves the house, and your operator reads it:"
)
OTHERS_ALIVE: Final = (
    "Besides, the box reports every few minutes that it is running and whether anything"
    " is broken. What you use is not in that."
)
WHAT, SILENT = "What left", "Meter silent"
A_COMMITMENT: Final = "a commitment, a proof, nothing else"
STAYS: Final = "nothing yet"
NOT_TAKEN: Final = "a commitment, which was not accepted"

_NAMES: Final = {
    IMPORT: "Electricity used from the grid",
    EXPORT: "Electricity fed into the grid",
    WATER: "Water",
    HEAT: "Heat",
    GAS: "Gas",
}
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def register_name(register: RegisterId) -> str:
    """Name what a register counts."""
    return _NAMES.get(register, f"Register {obis_text(register)}")


def meter_name(serial: str) -> str:
    """Name a meter."""
    return f"meter {serial}"


def amount(register: RegisterId, used: int) -> str:
    """Write Wh or litres for a glance: one digit after the point of a kWh."""
    if is_volume(register):
        return f"{used:,} litres"
    return f"{(used + 50) // 1_000:,}.{(used + 50) % 1_000 // 100} kWh"


def exact(register: RegisterId, used: int) -> str:
    """Write Wh as kWh, litres as m3, to the last one."""
    unit = "m³" if is_volume(register) else "kWh"
    return f"{used // 1_000:,}.{used % 1_000:03} {unit}"


def price(micro: int, currency: str, register: RegisterId) -> str:
    """Write a price of micro-units per kWh or m3."""
    unit = "m³" if is_volume(register) else "kWh"
    return f"{_decimal(micro, 6)} {currency} per {unit}"


def money(amount: int, currency: str) -> str:
    """Write an amount of 10^-9, rounded once to hundredths, half away from zero."""
    cents = (amount + 5_000_000) // 10_000_000
    return f"{cents // 100:,}.{cents % 100:02} {currency}"


def exact_money(amount: int, currency: str) -> str:
    """Write an amount of 10^-9 to its last digit."""
    return f"{_decimal(amount, 9)} {currency}"


def _decimal(number: int, places: int) -> str:
    """Write `number` x 10^-places: two digits after the point, more where there are."""
    whole, rest = divmod(number, 10**places)
    return f"{whole:,}.{f'{rest:0{places}}'.rstrip('0'):0<2}"


def bands(found: tuple[Band, ...]) -> str:
    """Say when a price holds."""
    return "; ".join(_band(band) for band in found)


def _band(band: Band) -> str:
    if band.always:
        return "at all other times"
    days = "" if band.days == EVERY_DAY else f", {band.days}"
    months = "" if band.months == EVERY_MONTH else f", months {band.months}"
    return f"{_clock(band.begin)} to {_clock(band.end)}{days}{months}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def day(on: date) -> str:
    """Write a date."""
    return f"{_WEEKDAYS[on.weekday()]} {on.day} {_MONTHS[on.month - 1]} {on.year}"


def month(on: date) -> str:
    """Write a month."""
    return f"{_MONTHS[on.month - 1]} {on.year}"


def hour(of: int) -> str:
    """Write an hour of the day."""
    return f"{of:02}:00"


def moment(at: datetime) -> str:
    """Write a date and time of day."""
    return f"{day(at.date())}, {at:%H:%M}"


def period(begin: datetime, end: datetime) -> str:
    """Write from when to when."""
    midnight = (0, 0)
    whole = (begin.hour, begin.minute) == (end.hour, end.minute) == midnight
    if whole:
        return f"{day(begin.date())} to the end of {day(_before(end))}"
    return f"{moment(begin)} to {moment(end)}"


def _before(end: datetime) -> date:
    return date.fromordinal(end.toordinal() - 1)


def missing(count: int) -> str:
    """Say how many slots have no reading."""
    return f"{count} without a reading" if count else ""


def silent(one: DayShown) -> str:
    """Say how long of a day others see that the meter was silent."""
    minutes = one.missing * (one.end - one.begin) // one.slots // 60
    if not minutes:
        return "never"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )


def left(one: DayShown) -> str:
    """Say what left the house of a day."""
    return {
        Went.WAITS: STAYS,
        Went.TAKEN: A_COMMITMENT,
        Went.REFUSED: NOT_TAKEN,
    }[one.went]


def leaves(at: datetime) -> str:
    """Say when a day that waits is sent."""
    return f"from {moment(at)} on"


def wait(seconds: int) -> str:
    """Say how long to wait before the next try."""
    many = f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
    return f"Too many tries. Please wait {many}, then try again."


def wrong_tries(count: int) -> str:
    """Warn of tries at the PIN that were not forgiven."""
    return (
        f"Wrong PINs were entered {count} times in the last day. If that was nobody in"
        " your home, have a new PIN made, and a new Wi-Fi password."
    )


def revision(number: int) -> str:
    """Say which correction of a bill it is, "" for none."""
    return f"{CORRECTION} {number}" if number else ""
