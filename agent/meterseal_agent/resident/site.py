"""What is answered to whom: guards before everything, then one function a page.

Every answer forbids keeping it, framing it and everything but our own style. Who has no
session sees the form for the PIN and nothing else, not even which pages there are. This
module must never answer a request that came by another name than the page's own: that is
how a web site reaches into a home (DNS rebinding).
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from meterseal_agent.keystore import KeystoreError
from meterseal_agent.resident import entry, markup, pages, words
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.contents import Contents
from meterseal_agent.resident.door import SESSION_S, Door, Opened
from meterseal_agent.resident.look import Thread
from meterseal_agent.resident.wire import Request, Response
from meterseal_proto.errors import Unavailable

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
_GUARDS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", markup.POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # Not no-referrer: under it a browser hides even from us that a form is ours.
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_FORM: Final = "application/x-www-form-urlencoded"
_PIN: Final = re.compile(r"\d{8}", re.ASCII)
_NUMBER: Final = r"([1-9]\d{0,5})"
_YEAR_MONTH: Final = r"(20\d\d)-(0[1-9]|1[0-2])"


@dataclass(frozen=True, slots=True)
class Found:
    """A page that is there: its body, and the name to keep it by where it is a file."""

    body: bytes
    file: str = ""


class Site:
    """The page's answers; `slow` is the thread for PINs and for putting pages together."""

    def __init__(
        self, address: Address, door: Door, contents: Contents, slow: Thread
    ) -> None:
        self._address = address
        self._door = door
        self._contents = contents
        self._slow = slow
        self._cookie = "__Host-meterseal" if address.tls else "meterseal"

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        host = (request.header("host") or "").lower()
        if host not in self._address.hosts:
            return _plain(HTTPStatus.MISDIRECTED_REQUEST)
        if request.method == "POST":
            return await self._post(request)
        if request.method != "GET" or request.body:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, POST"))
        return await self._get(request)

    async def _get(self, request: Request) -> Response:
        inside = self._door.inside(self._token(request))
        if request.target == "/login":
            return _to("/") if inside else _html(HTTPStatus.OK, entry.form())
        if not inside:
            return _to("/login")
        try:
            found = await self._page(request.target)
        except Unavailable:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE)
        if found is None:
            return _html(HTTPStatus.NOT_FOUND, entry.nothing())
        if found.file:
            named = ("Content-Disposition", f'attachment; filename="{found.file}"')
            return _made(HTTPStatus.OK, JSON, found.body, named)
        return _html(HTTPStatus.OK, found.body)

    async def _page(self, target: str) -> Found | None:
        for pattern, make in PAGES.items():
            match = re.fullmatch(pattern, target, re.ASCII)
            if match is not None:
                numbers = [int(text) for text in match.groups()]
                return await make(self, *numbers)
        return None

    async def start(self) -> Found:
        """Make the first page."""
        tries = await self._slow.do(self._door.wrong_tries)
        found = await self._contents.lately()
        return await self._put(pages.start, found, tries)

    async def months(self, chain: int) -> Found | None:
        """Make the page of a register's months."""
        found = await self._contents.usage(chain)
        return None if found is None else await self._put(pages.months, found.of)

    async def month(self, chain: int, year: int, month: int) -> Found | None:
        """Make the page of a month."""
        first = date(year, month, 1)
        found = await self._contents.usage(chain, first)
        if found is None:
            return None
        return await self._put(pages.month, found.of, first, found.days)

    async def day(self, chain: int, year: int, month: int, day: int) -> Found | None:
        """Make the page of a day."""
        try:
            on = date(year, month, day)
        except ValueError:
            return None
        found = await self._contents.hours(chain, on)
        return (
            None
            if found is None
            else await self._put(pages.day, found[0], on, found[1])
        )

    async def bills(self) -> Found:
        """Make the page of all bills."""
        found = await self._contents.bills()
        return await self._put(pages.bills, found, self._contents.home.local)

    async def bill(self, chain: int, number: int) -> Found | None:
        """Make the page of one bill."""
        one = await self._contents.bill(chain, number, self._slow)
        if one is None:
            return None
        return await self._put(pages.bill, one, number, self._contents.home.local)

    async def openings(self, chain: int, number: int) -> Found | None:
        """Make the file of a bill's openings."""
        usage = await self._contents.openings(chain, number, self._slow)
        if usage is None:
            return None
        body = await self._slow.do(usage.encode)
        return Found(body, pages.openings_name(chain, number))

    async def others(self) -> Found:
        """Make the page of what left the house."""
        private, open_ = await self._contents.others()
        return await self._put(pages.others, private, open_, self._contents.home.local)

    async def _put(
        self, page: Callable[..., bytes], *figures: object
    ) -> Found:  # `...`: each page's own figures, checked by the calls' tests
        return Found(await self._slow.do(page, *figures))

    async def _post(self, request: Request) -> Response:
        """Answer the two forms there are."""
        if not self._own(request):
            return _plain(HTTPStatus.FORBIDDEN)
        if request.target == "/logout":
            self._door.leave(self._token(request))
            return _to("/login", ("Set-Cookie", self._set("", 0)))
        if request.target != "/login":
            return _plain(HTTPStatus.NOT_FOUND)
        if (request.header("content-type") or "").lower() != _FORM:
            return _plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        pin = _pin(request.body)
        if not _PIN.fullmatch(pin):
            return _html(HTTPStatus.BAD_REQUEST, entry.form(words.PIN_SHAPE))
        try:
            opened = await self._slow.do(self._door.knock, pin, request.device)
        except KeystoreError:
            return _html(HTTPStatus.SERVICE_UNAVAILABLE, entry.form(words.PIN_NONE))
        except OSError:
            return _html(HTTPStatus.SERVICE_UNAVAILABLE, entry.form(words.PIN_UNKEPT))
        return self._entered(opened)

    def _entered(self, opened: Opened) -> Response:
        if opened.token:
            return _to("/", ("Set-Cookie", self._set(opened.token, SESSION_S)))
        said = [words.PIN_WRONG] if opened.tried else []
        said += [words.wait(opened.wait)] if opened.wait else []
        status = HTTPStatus.FORBIDDEN
        later: tuple[tuple[str, str], ...] = ()
        if opened.wait:
            status = HTTPStatus.TOO_MANY_REQUESTS
            later = (("Retry-After", str(opened.wait)),)
        answer = _html(status, entry.form(*said))
        return replace(answer, headers=(*answer.headers, *later))

    def _own(self, request: Request) -> bool:
        """Tell whether a form was sent by a page of ours, as far as a browser says."""
        scheme = "https" if self._address.tls else "http"
        origin = request.header("origin")
        if origin is not None:
            return origin.lower() in {f"{scheme}://{h}" for h in self._address.hosts}
        return request.header("sec-fetch-site") in {None, "same-origin"}

    def _token(self, request: Request) -> str:
        """Return the session's token that a request brings, "" for none."""
        for part in (request.header("cookie") or "").split(";"):
            name, _, token = part.strip().partition("=")
            if name == self._cookie:
                return token
        return ""

    def _set(self, token: str, age: int) -> str:
        secure = "; Secure" if self._address.tls else ""
        rest = f"; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
        return f"{self._cookie}={token}{rest}"


PAGES: Final[Mapping[str, Callable[..., Awaitable[Found | None]]]] = {
    "/": Site.start,
    rf"/usage/{_NUMBER}": Site.months,
    rf"/usage/{_NUMBER}/{_YEAR_MONTH}": Site.month,
    rf"/usage/{_NUMBER}/{_YEAR_MONTH}-(\d\d)": Site.day,
    "/bills": Site.bills,
    rf"/bills/{_NUMBER}/{_NUMBER}": Site.bill,
    rf"/bills/{_NUMBER}/{_NUMBER}/openings\.json": Site.openings,
    "/others": Site.others,
}
"""Every page there is, by the whole of its target: no query, no escapes, no dots."""


def _pin(body: bytes) -> str:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=4)
    except ValueError:
        return ""
    return re.sub(r"[\s-]", "", "".join(fields.get("pin", [])[:1]))


def _made(
    status: HTTPStatus, kind: str, body: bytes, *more: tuple[str, str]
) -> Response:
    return Response(status, (("Content-Type", kind), *_GUARDS, *more), body)


def _html(status: HTTPStatus, body: bytes) -> Response:
    return _made(status, HTML, body)


def _plain(status: HTTPStatus, *more: tuple[str, str]) -> Response:
    text = f"{status.phrase}\n".encode()
    return _made(status, "text/plain; charset=utf-8", text, *more)


def _to(path: str, *more: tuple[str, str]) -> Response:
    where = ("Location", path)
    return _made(HTTPStatus.SEE_OTHER, "text/plain; charset=utf-8", b"", where, *more)
