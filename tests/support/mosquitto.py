"""A real Mosquitto with the shipped configuration, on a free port of this machine."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

import pytest

SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "mosquitto"
START_S: Final = 10.0
_LISTENER: Final = "listener "
_CERTIFICATES: Final = {
    "cafile": "ca.pem",
    "certfile": "server.pem",
    "keyfile": "server.key",
}


def mosquitto_path() -> str:
    """Return where Mosquitto is, or skip the test; in CI it must be there."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is not None:
        return found
    reason = "mosquitto is not installed: sudo apt install mosquitto"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port that was free on 127.0.0.1 a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Mosquitto:
    """A broker in a directory of its own; a context manager that stops it by its pid.

    Plain by default: a client is then whoever its user name says, and the shipped ACL
    fences it by that. `certificates` (a directory with ca.pem, server.pem and
    server.key) keeps the shipped TLS listener instead.
    """

    def __init__(self, certificates: Path | None = None) -> None:
        self._path = mosquitto_path()
        self._certificates = certificates
        self._directory = Path(tempfile.mkdtemp(prefix="meterseal-mosquitto-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Self:
        """Write the configuration and start."""
        directory = self._directory
        shutil.copy(SHIPPED / "acl", directory / "acl")
        if self._certificates is not None:
            for name in _CERTIFICATES.values():
                shutil.copy(self._certificates / name, directory / name)
        (directory / "mosquitto.conf").write_text(self._configuration())
        self._give_to_its_user()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and clear away."""
        self.stop()
        shutil.rmtree(self._directory)

    @property
    def pid(self) -> int:
        """The running broker's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self._directory / "log").read_text()

    def start(self) -> None:
        """Start on the same port and directory, and return when it listens."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._path, "-c", str(self._directory / "mosquitto.conf")],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                running = self._process.poll() is None
                assert running, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.01)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop this one process; SIGKILL is a power cut as far as it can tell."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None

    def _configuration(self) -> str:
        """Return the shipped configuration with this machine's paths and listener."""
        directory = self._directory
        shipped = (SHIPPED / "mosquitto.conf").read_text()
        shipped = shipped.replace("/etc/mosquitto/acl", str(directory / "acl"))
        shipped = shipped.replace("/var/lib/mosquitto/", f"{directory}/")
        common, listener = shipped.split(_LISTENER, 1)
        if self._certificates is None:
            common = common.replace("allow_anonymous false", "allow_anonymous true")
            return f"{common}listener {self.port} 127.0.0.1\n"
        lines = [f"{_LISTENER}{self.port} 127.0.0.1"]
        for line in listener.splitlines()[1:]:
            name = _CERTIFICATES.get(line.split(" ")[0])
            lines.append(
                line if name is None else f"{line.split(' ')[0]} {directory / name}"
            )
        return common + "\n".join(lines) + "\n"

    def _give_to_its_user(self) -> None:
        """Started by root it drops to its own user, who must own its directory."""
        if os.geteuid() != 0:
            return
        user = pwd.getpwnam("mosquitto")
        for path in (self._directory, *self._directory.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
