"""Words in a member's language, from gettext catalogues that travel with the package.

    words = words_in(Language.FR)
    words.say("Bill {number}", number="2026-000042")

A message is its English text; `{names}` in it are filled with text. The catalogues
(`locale/<language>/LC_MESSAGES/meterseal.po`) are read as they are, so a clone and a wheel
need no step in between. This module must never show a message that its catalogue lacks.
"""

from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel import Locale
from babel.messages.pofile import read_po

from meterseal_aggregator.billing.rendering.request import Language

DOMAIN: Final = "meterseal"
"""The catalogues' name."""
_LOCALES: Final = {Language.EN: "en_GB"}
"""English with days before months and 24 hours, as most of the world writes it."""


def noted(message: str) -> str:
    """Return the message as it is: this marks one that is said later."""
    return message


class Words:
    """A language's catalogue and locale; `words_in` makes one of each and keeps it."""

    __slots__ = ("_texts", "language", "locale")

    def __init__(self, language: Language, texts: dict[str, str]) -> None:
        self.language = language
        self.locale = Locale.parse(_LOCALES.get(language, language.value))
        self._texts = texts

    def say(self, message: str, **values: str) -> str:
        """Return the message in this language, its `{names}` filled; KeyError if unknown."""
        text = self._texts[message]
        return text.format(**values) if values else text


@cache
def words_in(language: Language) -> Words:
    """Return a language's words; the first call reads its catalogue (about 10 ms)."""
    return Words(language, catalogue(language))


def catalogue(language: Language) -> dict[str, str]:
    """Return a catalogue's messages by their English text, without those left fuzzy."""
    place = files("meterseal_aggregator.billing.rendering").joinpath(
        "locale", language.value, "LC_MESSAGES", f"{DOMAIN}.po"
    )
    found = read_po(BytesIO(place.read_bytes()), locale=language.value)
    return {
        str(message.id): str(message.string)
        for message in found
        if message.id and message.string and not message.fuzzy
    }
