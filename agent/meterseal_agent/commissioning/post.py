"""One HTTPS call to the aggregator, with the standard library.

Off this machine it must never speak plain HTTP: config.py checks the URL, and here no
proxy is asked to carry plain text and no redirect is followed.
"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from meterseal_proto.errors import Unavailable

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 1 << 20
"""An answer for 247 meters takes 40 KiB."""


PROBLEM: Final = "urn:meterseal:problem:"
"""What the aggregator's names for refusals begin with."""


class EnrolmentRefused(Exception):
    """The aggregator refused the request; the text is its own, `trouble` its name or ""."""

    def __init__(self, why: str, trouble: str = "") -> None:
        super().__init__(why)
        self.trouble = trouble


def poster(url: str, ca: Path | None) -> Callable[[str, bytes], bytes]:
    """Return a function that POSTs JSON to a path below `url`.

    It raises EnrolmentRefused for an answer of 3xx or 4xx, Unavailable for 5xx or none.
    """
    return _caller(url, ca)


def getter(
    url: str, ca: Path | None, most: int = MAX_ANSWER_BYTES
) -> Callable[[str], bytes]:
    """Return a function that GETs a path below `url`, at most `most` bytes.

    It raises as a poster does.
    """
    call = _caller(url, ca, most)
    return lambda path: call(path, None)


def _caller(
    url: str, ca: Path | None, most: int = MAX_ANSWER_BYTES
) -> Callable[[str, bytes | None], bytes]:
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    plain = url.startswith("http:")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context),
        urllib.request.ProxyHandler({} if plain else None),
        _NoRedirect,
    )

    def call(path: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - config.py checks the scheme
            url + path,
            body,
            {"Content-Type": "application/json"} if body else {},
            method="GET" if body is None else "POST",
        )
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                raw: bytes = answer.read(most + 1)
        except urllib.error.HTTPError as error:
            with error:
                trouble, why = _problem(error.read(MAX_ANSWER_BYTES))
            why = why or error.reason
            if error.code >= 500:
                raise Unavailable(f"the aggregator failed: {why}") from error
            raise EnrolmentRefused(f"{why} (HTTP {error.code})", trouble) from error
        except OSError as error:
            raise Unavailable(f"{url} does not answer: {error}") from error
        if len(raw) > most:
            raise EnrolmentRefused(f"the answer is larger than {most} bytes")
        return raw

    return call


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the answer names the authorities an agent trusts from then on."""

    def redirect_request(self, *_args: object) -> None:
        """Follow nothing; the caller sees the 3xx."""
        return


def _problem(body: bytes) -> tuple[str, str]:
    """Return a problem document's (RFC 9457) name and text, "" where it has none."""
    try:
        document = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(document, dict):
        return "", ""
    why = document.get("detail") or document.get("title") or ""
    return str(document.get("type") or "").removeprefix(PROBLEM), str(why)
