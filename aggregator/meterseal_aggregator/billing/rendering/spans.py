"""Spans of time as people say them.

This module must never say a last day that is not wholly inside.
"""

from datetime import datetime, tzinfo

from meterseal_aggregator.billing.rendering.numerals import day, local, moment
from meterseal_aggregator.billing.rendering.words import Words


def period_text(words: Words, begin: int, end: int, zone: tzinfo) -> str:
    """Return [begin, end) by its first and last day, or by its two moments."""
    first, after = local(begin, zone), local(end, zone)
    whole = _midnight(first) and _midnight(after)
    tell = day if whole else moment
    last = local(end - 1, zone) if whole else after
    return words.say(
        "{begin} to {end}",
        begin=tell(words.locale, first),
        end=tell(words.locale, last),
    )


def _midnight(at: datetime) -> bool:
    return at.hour == at.minute == at.second == 0
