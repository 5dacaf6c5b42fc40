"""The pages of who is outside: the form for the PIN, and nothing of the home.

It must never be given a figure.
"""

from meterseal_agent.resident import words
from meterseal_agent.resident.markup import document, e, framed


def form(*troubles: str) -> bytes:
    """Return the form for the PIN, with what was wrong with the last try."""
    said = [e("p", text, class_="warn", role="alert") for text in troubles]
    pin = e(
        "input",
        id="pin",
        name="pin",
        type="password",
        inputmode="numeric",
        autocomplete="current-password",
        maxlength="9",
        required="required",
        autofocus="autofocus",
        aria_describedby="hint",
    )
    asked = e(
        "form",
        e("label", words.PIN_LABEL, for_="pin"),
        e("p", words.PIN_HINT, id="hint", class_="soft"),
        pin,
        e("button", words.PIN_ENTER),
        method="post",
        action="/login",
    )
    return document(
        words.PIN_ASKED,
        e(
            "main",
            e("h1", words.PIN_ASKED),
            *said,
            asked,
            e("p", words.PIN_LOST, class_="soft"),
            e("p", words.PRIVATE_NOTE, class_="soft"),
        ),
    )


def nothing() -> bytes:
    """Return the page of an address that leads nowhere, for who is inside."""
    return framed(words.NOTHING_HERE, "", e("p", e("a", words.BACK, href="/")))
