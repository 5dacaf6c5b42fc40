"""The live stream of the real program: told by another process, stopped at once, gone on with."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from meterseal_aggregator.app.serve import GOODBYE_S

CODE = "import sys; from meterseal_aggregator.cli import main; sys.exit(main())"
WITHIN_S = 60.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "aggregator.toml"
    path.write_text(
        f'network = "street"\ndata_dir = "{tmp_path / "data"}"\ndemo = true\n'
        "[web]\nport = 0\n[mqtt]\nport = 0\n"
    )
    return path


def _run(config: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("METERSEAL")}
    command = [sys.executable, "-c", CODE, *words, "--config", str(config)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def _serving(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.communicate(timeout=60)


@contextmanager
def _listening(
    base: str, token: str, last: int | None = None
) -> Iterator[HTTPResponse]:
    headers = {"Authorization": f"Bearer {token}"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    connection = HTTPConnection(base.removeprefix("http://"), timeout=WITHIN_S)
    try:
        connection.request("GET", "/v1/me/events", headers=headers)
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def _block(answer: HTTPResponse) -> list[str]:
    """Return the lines up to the next empty one."""
    lines = []
    while line := answer.readline().decode().rstrip("\n"):
        lines.append(line)
    return lines


def _tell(config: Path, number: int) -> None:
    """Tell Ada something as another process does it."""
    with sqlite3.connect(
        config.parent / "data" / "aggregator.sqlite", timeout=30
    ) as db:
        db.execute(
            "INSERT INTO member_events (member_id, kind, body, at)"
            " VALUES (1, 'order', ?, 0)",
            (f'{{"id":{number}}}',),
        )
    db.close()


def test_a_stream_ends_with_the_program_and_goes_on_with_the_next(config: Path) -> None:
    _run(config, "enrol", "--member", "Ada", "--agent", "home-1")
    token = _run(config, "token", "--role", "member", "--member", "Ada").split()[-1]
    with (
        _serving(config) as (process, base),
        _listening(base, token) as answer,
    ):
        assert _block(answer) == ["retry: 3000", "id: 0"]
        _tell(config, 10)
        assert _block(answer) == ["id: 1", "event: order", 'data: {"id":10}']
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert answer.read() == b""
        ended = time.monotonic() - began
        assert process.wait(timeout=WITHIN_S) == 0
        assert ended < GOODBYE_S, "it was cut off, not ended"
    _tell(config, 11)
    with (
        _serving(config) as (_, base),
        _listening(base, token, last=1) as again,
    ):
        assert _block(again) == ["retry: 3000", "id: 1"]
        assert _block(again) == ["id: 2", "event: order", 'data: {"id":11}']
