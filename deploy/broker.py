"""A real Mosquitto with the shipped configuration, on loopback, for demo and tests.

The shipped file is used as it is but for this machine's paths and listener. It must never
be a service of the machine: it runs in the foreground, as a child of whoever asked.
"""

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

from deploy.freeport import free_port

SHIPPED: Final = Path(__file__).parent / "mosquitto"
START_S: Final = 60.0
_LISTENER: Final = "listener "
_CERTIFICATES: Final = {
    "cafile": "ca.pem",
    "certfile": "server.pem",
    "keyfile": "server.key",
}


def mosquitto() -> str | None:
    """Return where Mosquitto is, None when it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Broker:
    """A broker in a directory of its own; a context manager that stops it by its pid.

    Plain by default: a client is then whoever its user name says, and the shipped ACL
    fences it by that. `certificates` (a directory with ca.pem, server.pem and
    server.key) keeps the shipped TLS listener instead.
    """

    def __init__(self, path: str, certificates: Path | None = None) -> None:
        self._path = path
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
    def url(self) -> str:
        """Where it listens, as the aggregator's `broker_url`."""
        return f"mqtt://127.0.0.1:{self.port}"

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
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"Mosquitto did not start: {self.log}")
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop this one process; SIGKILL is a power cut as far as it can tell."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

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
            key = line.split(" ")[0]
            name = _CERTIFICATES.get(key)
            lines.append(line if name is None else f"{key} {directory / name}")
        return common + "\n".join(lines) + "\n"

    def _give_to_its_user(self) -> None:
        """Started by root it drops to its own user, who must own its directory."""
        if os.geteuid() != 0:
            return
        user = pwd.getpwnam("mosquitto")
        for path in (self._directory, *self._directory.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
