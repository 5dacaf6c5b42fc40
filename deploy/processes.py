"""Programs of the product as child processes of one parent: start, watch, kill, end.

Children are forked from a parent that has already imported them, so a restart costs
milliseconds and not half a second of imports. Each writes its output to a log file of
its own, and dies with its parent. Must never signal a process it did not start.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Main = Callable[[Sequence[str]], int]
"""A program's entry point: arguments in, exit status out."""

STOP_WITHIN_S: Final = 10.0
"""How long a program may take to end after SIGTERM before it is killed."""
LOG_TAIL_LINES: Final = 12
_POLL_S: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: a name for people and the log file, the entry point, its arguments."""

    name: str
    main: Main
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


class Failed(Exception):
    """A program ended that should not have, with the last lines it wrote."""


class Child:
    """A running program."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        self.status: int | None = None
        log.touch(mode=0o600)  # before the fork, so that a reader always finds it
        self.pid = _fork(program, log)

    def running(self) -> bool:
        """Tell whether it still runs; collects its status when it does not."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self._signal(signal.SIGKILL)
        self.wait(STOP_WITHIN_S)

    def stop(self) -> int:
        """Ask it to end, insist after STOP_WITHIN_S; returns its exit status."""
        self._signal(signal.SIGTERM)
        if self.wait(STOP_WITHIN_S) is None:
            self.kill()
        assert self.status is not None
        return self.status

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; returns the exit status, or None when it still runs."""
        deadline = time.monotonic() + timeout_s
        while self.running() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self.status

    def tail(self) -> str:
        """The last lines it wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])

    def _signal(self, number: int) -> None:
        if self.running():
            os.kill(self.pid, number)


class Processes:
    """The children of one demo or test, all ended when the block is left."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._children: dict[str, Child] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        """Ask all to end at once; who has not within STOP_WITHIN_S is killed."""
        for child in self._children.values():
            if child.running():
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in self._children.values():
            if child.wait(max(0.0, deadline - time.monotonic())) is None:
                child.kill()

    def start(self, program: Program) -> Child:
        """Start a program, or start it again after its end."""
        child = Child(program, self.log(program.name))
        self._children[program.name] = child
        return child

    def log(self, name: str) -> Path:
        """Where the program called `name` writes what it says."""
        return self._logs / f"{name}.log"

    def child(self, name: str) -> Child:
        """The program called `name`, running or ended."""
        return self._children[name]

    def stop(self, name: str) -> None:
        """Ask the program called `name` to end, and wait for it."""
        self._children[name].stop()

    def run(self, program: Program, timeout_s: float) -> None:
        """Run a program to its end; raises Failed when it takes longer or exits above 0."""
        child = self.start(program)
        status = child.wait(timeout_s)
        if status is None:
            child.kill()
        if status != 0:
            said = "took too long" if status is None else f"exited with {status}"
            raise Failed(f"{program.name} {said}:\n{child.tail()}")

    def check(self) -> None:
        """Raise Failed when a program that was started has ended by itself with an error."""
        for child in self._children.values():
            if not child.running() and child.status not in (0, None, -signal.SIGKILL):
                raise Failed(
                    f"{child.program.name} exited with {child.status}:\n{child.tail()}"
                )


def until(
    done: Callable[[], bool], processes: Processes, timeout_s: float, what: str
) -> None:
    """Wait until `done()`; raises Failed when a program dies or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not done():
        processes.check()
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(_POLL_S * 5)


def environment(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return variables in the form a Program keeps them."""
    return tuple(sorted(variables.items()))


def _fork(program: Program, log: Path) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(program, log)
        os._exit(program.main(program.arguments))
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(70)
    finally:
        # Nothing below the fork may ever run the parent's code.
        os._exit(71)


def _become(program: Program, log: Path) -> None:
    """Turn the forked child into the program: own session, log, environment, no orphans."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(program.environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
