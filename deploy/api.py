"""The aggregator's API as a script sees it: JSON over HTTP on loopback, nothing more."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from deploy.processes import Failed

TIMEOUT_S: Final = 60.0
PAGE: Final = 500
NOT_YET: Final = "urn:meterseal:problem:not-yet"


class NotYet(Failed):
    """What was asked for is on its way."""


@dataclass(frozen=True, slots=True)
class Api:
    """A base URL and a bearer token."""

    url: str
    token: str = field(repr=False)

    def ready(self) -> bool:
        """Tell whether the aggregator serves."""
        try:
            self.text("/readyz")
        except (Failed, OSError, http.client.HTTPException):
            return False
        return True

    def text(self, path: str, **query: object) -> str:
        """Return what a GET answers; Failed with its problem when it is no 200."""
        return self.content(path, **query).decode()

    def content(self, path: str, **query: object) -> bytes:
        """Return the bytes a GET answers; Failed with its problem when it is no 200.

        NotYet where the aggregator says to ask again.
        """
        tail = f"?{urlencode(query)}" if query else ""
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            f"{self.url}{path}{tail}", headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")
            trouble = NotYet if NOT_YET in said else Failed
            raise trouble(f"GET {path} was refused: {said}") from None

    def get(self, path: str, **query: object) -> Any:  # JSON has no type of its own
        """Return the JSON a GET answers."""
        return json.loads(self.text(path, **query))

    def post(self, path: str, body: object, key: str = "") -> Any:  # as get
        """Return the JSON that a POST of a JSON body answers; Failed with its problem.

        `key` is the idempotency key of what is done once.
        """
        return self._send("POST", path, json.dumps(body).encode(), key)

    def post_document(self, path: str, document: bytes) -> Any:  # as get
        """Return the JSON that a POST of a JSON document answers, sent byte for byte."""
        return self._send("POST", path, document, "")

    def put(self, path: str, body: object) -> Any:  # as get
        """Return the JSON that a PUT of a JSON body answers; Failed with its problem."""
        return self._send("PUT", path, json.dumps(body).encode(), "")

    def _send(self, method: str, path: str, body: bytes, key: str) -> Any:  # as get
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            f"{self.url}{path}",
            body,
            {
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **({"Idempotency-Key": key} if key else {}),
            },
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")
            raise Failed(f"{method} {path} was refused: {said}") from None

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:  # as get
        """Yield every item of a paged resource."""
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            page = self.get(path, limit=PAGE, **query, **more)
            yield from page["items"]
            after = page.get("next")
            if not after:
                return
