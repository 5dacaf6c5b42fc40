"""As much of the devnet as a demo's wallet asks, over loopback and without Node."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

INTERFACES = Path(__file__).parents[2] / "proto/vectors/interfaces.json"


@dataclass
class LittleDevnet:
    """Its answers by path, which a test may change, and what was handed in."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)  # Any: JSON
    sent: list[bytes] = field(default_factory=list)

    def answer(self, path: str) -> Any:  # Any: JSON
        where = path.partition("?")[0]
        if where.startswith("/v2/contracts/interface/"):
            return _interface(where.rpartition("/")[2])
        return self.answers.get(where)


def _interface(name: str) -> Any:  # Any: JSON
    rows = [
        {"name": whole.partition(".")[2], "access": "public", "args": _names(one)}
        for whole, one in json.loads(INTERFACES.read_text()).items()
        if whole.partition(".")[0] == name
    ]
    return {"functions": rows} if rows else None


def _names(function: Any) -> list[dict[str, str]]:  # Any: JSON
    return [{"name": name} for name, _ in function["arguments"]]


@contextmanager
def little_devnet() -> Iterator[LittleDevnet]:
    """Serve until the test is over."""
    house = LittleDevnet()
    house.answers = {
        "/extended": {"server_version": "meterseal-devnet (simnet)"},
        "/v2/info": {"network_id": 0x80000000},
        "/devnet": {"genesis_time": 1_790_000_000, "height": 3},
    }

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _reply(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if body:
                house.sent.append(body)
            found = house.answer(self.path)
            content = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _reply  # noqa: N815 (http.server's names)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        house.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield house
        finally:
            server.shutdown()
            thread.join(5)
