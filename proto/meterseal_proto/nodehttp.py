"""A Stacks node over HTTP, for `meterseal-verify`: the only wire of this package.

    node_at("https://api.example").fetch("/v2/info", None)      # (200, b"{...}")

Each exchange is bounded as a whole, the look-up of the name too: a thread does it, and
whoever asked stops waiting. This module must never follow a redirect, take a proxy from
the environment, unpack an answer, or show what an address may hide in its path.
"""

from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

from meterseal_proto.chainnode import Node
from meterseal_proto.errors import Unavailable

ANSWER_WITHIN_S: Final = 10.0
"""Nodes answer in a second; a reader waits for two answers of each."""
MAX_ANSWER_BYTES: Final = 65_536
"""/v2/info takes 1 KB, a map's entry 0.3."""

Answer = tuple[int, bytes]


def node_at(url: str, answer_within_s: float = ANSWER_WITHIN_S) -> Node:
    """Return the node at `url`, http or https; ValueError for what is no such address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a node is https://HOST, or http://HOST:PORT on a safe wire")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a node is https://HOST, without names or questions")
    _ = parts.port  # raises ValueError for none
    # A provider's address often has a key in its path, so a reader is shown the host only.
    name, base = f"{parts.scheme}://{parts.netloc}", url.rstrip("/")

    def fetch(path: str, body: bytes | None) -> Answer:
        return _within(answer_within_s, base + path, body)

    return Node(name, fetch)


def _within(seconds: float, url: str, body: bytes | None) -> Answer:
    answers = SimpleQueue[Answer | Unavailable]()

    def ask() -> None:
        try:
            answers.put(_exchange(url, body, seconds))
        except Unavailable as away:
            answers.put(away)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise Unavailable(f"did not answer within {seconds:g} s") from None
    if isinstance(answer, Unavailable):
        raise answer
    return answer


def _exchange(url: str, body: bytes | None, seconds: float) -> Answer:
    headers = {} if body is None else {"content-type": "application/json"}
    try:
        asked = Request(url, data=body, headers=headers)  # noqa: S310 (node_at looked)
        # An answer of any status comes back as it is: nothing follows where it points.
        with _opener().open(asked, timeout=seconds) as reply:
            content = reply.read(MAX_ANSWER_BYTES + 1)
            status = int(reply.status)
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"did not answer: {_why(error)}") from None
    if len(content) > MAX_ANSWER_BYTES:
        raise Unavailable(f"answered more than {MAX_ANSWER_BYTES} bytes")
    return status, content


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    opener.addheaders = [("user-agent", "meterseal-verify")]
    for handler in (HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _why(error: Exception) -> str:
    """Say what went wrong in our words and the system's, never in the node's."""
    cause = error.reason if isinstance(error, URLError) else error
    told = cause.strerror if isinstance(cause, OSError) else None
    return told or type(cause).__name__
