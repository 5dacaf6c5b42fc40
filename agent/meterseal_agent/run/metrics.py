"""Prometheus' text format, written by hand, on loopback only.

The library would cost memory that a Pi has better use for, and a page of counts needs no
library. It is made of the status document, which holds no register's value; this module
must never be given one, nor listen anywhere but on this machine.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

HOST: Final = "127.0.0.1"
MAX_REQUEST_BYTES: Final = 8192
"""A scraper's request takes 300 bytes."""
REQUEST_S: Final = 5.0
"""How long one may take to ask, and to read the answer."""
MAX_SCRAPERS: Final = 4
"""At once; one is enough, and each costs a descriptor."""
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Document = Mapping[str, Any]  # Any: the status file, a JSON document


def exposition(status: Document) -> str:
    """Return the metrics page of a status document."""
    return "".join(
        f"# TYPE meterseal_agent_{name} {kind}\n"
        + "".join(
            f"meterseal_agent_{name}{_labels(labels)} {value}\n"
            for labels, value in rows
        )
        for name, kind, rows in _families(status)
    )


Rows = list[tuple[dict[str, str], int | float]]


def _families(status: Document) -> Iterator[tuple[str, str, Rows]]:
    """Yield each family: its name, its kind, its rows of labels and number."""
    yield "up", "gauge", [({}, int(status["running"]))]
    yield "status_time_seconds", "gauge", [({}, status["at"])]
    yield "alarms", "gauge", [({}, len(status["alarms"]))]
    receipt = status["last_receipt"]
    if receipt is not None:
        yield "last_receipt_time_seconds", "gauge", [({}, receipt)]
    for column, kind in (("answers", "counter"), ("missed", "counter")):
        rows: Rows = [({"serial": m["serial"]}, m[column]) for m in status["meters"]]
        yield f"meter_{column}_total", kind, rows
    silent: Rows = [({"serial": m["serial"]}, m["failures"]) for m in status["meters"]]
    yield "meter_failures_running", "gauge", silent
    for column in ("seq", "records", "seals"):
        found: Rows = [
            ({"serial": r["serial"], "register": r["register"]}, r[column])
            for r in status["registers"]
        ]
        yield f"register_{column}", "gauge", found
    duties: Rows = [({"duty": d}, n) for d, n in status["duties_failed"].items()]
    yield "duty_failures_total", "counter", duties
    for table in ("outbox", "sampling", "uplink", "beside", "telemetry", "clock"):
        yield from _numbers(table, status.get(table) or {})


def _numbers(table: str, values: Document) -> Iterator[tuple[str, str, Rows]]:
    """Yield every plain number of a table of the document, and its counts by reason."""
    for name, value in values.items():
        if isinstance(value, (bool, int, float)):
            yield f"{table}_{name}", "gauge", [({}, int(value))]
        elif isinstance(value, dict):
            rows: Rows = [({"reason": reason}, n) for reason, n in value.items()]
            yield f"{table}_{name}_total", "counter", rows


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{name}="{_quoted(text)}"' for name, text in labels.items())
    return f"{{{inner}}}"


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


async def serve(port: int, page: Callable[[], str]) -> None:
    """Answer scrapers on loopback until cancelled; OSError when the port is taken."""
    inside = 0

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal inside
        inside += 1
        try:
            if inside <= MAX_SCRAPERS:
                async with asyncio.timeout(REQUEST_S):
                    await _answer(reader, writer, page)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # A scraper that went away; it comes again.
        finally:
            inside -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, HOST, port, limit=MAX_REQUEST_BYTES)
    async with server:
        await server.serve_forever()


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    page: Callable[[], str],
) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ValueError("too long a request") from error
    line = head.split(b"\r\n", 1)[0].split(b" ")
    known = line[:2] == [b"GET", b"/metrics"]
    body = page().encode() if known else b"ask for GET /metrics\n"
    status = "200 OK" if known else "404 Not Found"
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    await writer.drain()
