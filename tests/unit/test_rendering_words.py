"""Every message that code says is in every language, whole and with the same places."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from meterseal_aggregator.billing.rendering import Language
from meterseal_aggregator.billing.rendering.words import DOMAIN, catalogue, words_in

ROOT = Path(__file__).parents[2] / "aggregator" / "meterseal_aggregator"
MARKS = {"say", "noted"}
SAME_IN_OTHERS = {"kWh", "m³", "kW", "%", "Total", "Gas", "Page {page} of {pages}"}


def messages(tree: ast.AST) -> Iterator[str]:
    """Texts given to `say` or `noted`, whole where Python joins them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else ""
        name = called.id if isinstance(called, ast.Name) else name
        first = node.args[0]
        if name in MARKS and isinstance(first, ast.Constant):
            assert isinstance(first.value, str)
            yield first.value


def said() -> set[str]:
    return {
        message
        for path in ROOT.rglob("*.py")
        if "rendering" in path.read_text()
        for message in messages(ast.parse(path.read_text()))
    }


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def as_written(language: Language) -> Catalog:
    path = files("meterseal_aggregator.billing.rendering").joinpath(
        "locale", language.value, "LC_MESSAGES", f"{DOMAIN}.po"
    )
    return read_po(BytesIO(path.read_bytes()), abort_invalid=True)


SAID = said()


@pytest.mark.parametrize("language", Language)
def test_a_catalogue_has_what_code_says_and_nothing_else(language: Language) -> None:
    assert len(SAID) > 100
    assert catalogue(language).keys() == SAID


@pytest.mark.parametrize("language", Language)
def test_a_translation_has_the_places_of_its_message(language: Language) -> None:
    for message, text in catalogue(language).items():
        assert places(text) == places(message), message
        assert text == text.strip()


@pytest.mark.parametrize("language", Language)
def test_a_catalogue_is_whole_and_nothing_in_it_is_fuzzy(language: Language) -> None:
    found = as_written(language)
    assert str(found.locale) == language.value
    assert not found.obsolete
    for message in found:
        assert message.string
        if message.id:
            assert not message.fuzzy
            assert not list(message.check(found))


@pytest.mark.parametrize(
    "language", [one for one in Language if one is not Language.EN]
)
def test_what_reads_as_in_english_is_a_sign_or_the_same_word(
    language: Language,
) -> None:
    texts = catalogue(language)
    assert {message for message in texts if texts[message] == message} <= SAME_IN_OTHERS


def test_english_says_the_messages_themselves() -> None:
    assert all(message == text for message, text in catalogue(Language.EN).items())


def test_a_message_that_no_catalogue_has_is_an_error() -> None:
    with pytest.raises(KeyError):
        words_in(Language.SW).say("Nobody wrote this")


def test_a_value_with_braces_stays_text() -> None:
    assert words_in(Language.EN).say("Bill {number}", number="{0}") == "Bill {0}"
