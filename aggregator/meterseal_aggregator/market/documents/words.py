"""How documents say "a month", "a year" and "kilowatt hour", in six languages, as data.

English, Spanish, French, German, Swahili and Hindi; lower case and without the accents
of Latin letters, as `normal` leaves a text. This module must never decide anything.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Period(Enum):
    """What a figure is of; the value is its length in months."""

    MONTH = 1
    YEAR = 12


@dataclass(frozen=True, slots=True)
class Words:
    """`each` follows a figure, as "/month" or "a month"; `about` stands anywhere in a line.

    Both are regular expressions without groups. Devanagari has no word boundaries that
    `re` knows, so those stand by themselves.
    """

    each: tuple[str, ...]
    about: tuple[str, ...]


_PER: Final = (
    r"(?:/|per\b|an?\b|each\b|every\b|in the\b|por\b|al\b|cada\b|par\b|chaque\b|pro\b|je\b|im\b"
    r"|kwa\b|kila\b|प्रति|हर)[ ]{0,3}"
)
PERIODS: Final = {
    Period.MONTH: Words(
        each=(
            _PER + r"(?:months?|mo|mes|mois|monat|mwezi)\b",
            _PER + r"(?:महीने|महीना|माह|मास)",
            r"(?:monthly|mensual(?:es)?|mensuel(?:le)?s?|monatlich)\b",
            r"मासिक",
        ),
        about=(
            r"\b(?:months?|monthly|mes|mensual(?:es)?|mois|mensuel(?:le)?s?|mwezi)\b",
            r"\bmonat\w*",
            r"महीने|महीना|माह|मास",
        ),
    ),
    Period.YEAR: Words(
        each=(
            _PER + r"(?:years?|yr|y|annum|ano|an|annee|jahr|mwaka|a)\b",
            _PER + r"(?:वर्ष|साल)",
            r"(?:yearly|annually|anual(?:es)?|annuel(?:le)?s?|jahrlich)\b",
            r"p\. ?a\.|वार्षिक",
        ),
        about=(
            r"\b(?:years?|yearly|annual(?:ly)?|annum|ano|anual(?:es)?|annee|mwaka)\b",
            r"\bannuel(?:le)?s?\b|\bjahr\w*",
            r"वर्ष|वार्षिक|साल",
        ),
    ),
}
UNITS: Final = {
    1: (r"wh\b",),
    1_000: (
        r"kwh\b",
        r"kw[-·* ]h\b",
        r"kilowatt[- ]?(?:hours?|stunden?|heures?)\b",
        r"kilovatios?[- ]hora\b",
        r"units?\b",
        r"यूनिट|किलोवाट[- ]?घंट[ाे]",
    ),
    1_000_000: (r"mwh\b", r"megawatt[- ]?(?:hours?|stunden?|heures?)\b"),
}
"""Wh of a unit, and how it is written; a "unit" is what Indian bills call a kWh."""
