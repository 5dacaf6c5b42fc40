"""Child programs start, are watched, and end with the block that started them."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import processes
from deploy.processes import Failed, Processes, Program, until


def sleeper(_: Sequence[str]) -> int:
    print("asleep", flush=True)
    time.sleep(60)
    return 0


def obedient(_: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    time.sleep(60)
    return 0


def failing(arguments: Sequence[str]) -> int:
    print("about to fail", *arguments)
    return 3


def environment_of(_: Sequence[str]) -> int:
    print(os.environ["METERSEAL_TRIED"])
    return 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_that_fails_is_reported_with_what_it_said(tmp_path: Path) -> None:
    with (
        Processes(tmp_path) as processes,
        pytest.raises(Failed, match=r"(?s)exited with 3.*fail x"),
    ):
        processes.run(Program("failing", failing, ("x",)), 5)


def test_a_program_gets_its_environment(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.run(
            Program("env", environment_of, (), (("METERSEAL_TRIED", "yes"),)), 5
        )
    assert (tmp_path / "env.log").read_text() == "yes\n"
    assert "METERSEAL_TRIED" not in os.environ


def test_children_end_with_the_block(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start(Program("obedient", obedient, ()))
        until(lambda: "ready" in child.log.read_text(), processes, 5, "start")
        assert alive(child.pid)
    assert child.status == 0
    assert not alive(child.pid)


def test_a_killed_program_starts_again(tmp_path: Path) -> None:
    program = Program("sleeper", sleeper, ())
    with Processes(tmp_path) as processes:
        first = processes.start(program)
        first.kill()
        assert first.status == -signal.SIGKILL
        processes.check()
        second = processes.start(program)
        assert second.running()
        assert second.pid != first.pid


def test_waiting_ends_when_a_program_dies(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start(Program("failing", failing, ()))
        with pytest.raises(Failed, match="failing exited with 3"):
            until(lambda: False, processes, 5, "never")


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes, pytest.raises(Failed, match="took too long"):
        processes.run(Program("sleeper", sleeper, ()), 0.2)


def stubborn(_: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
    return 0


def test_children_that_do_not_obey_are_killed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_WITHIN_S", 1.5)
    began = time.monotonic()
    with Processes(tmp_path) as running:
        children = [running.start(Program(f"s{n}", stubborn, ())) for n in range(5)]
        until(
            lambda: all("ready" in c.log.read_text() for c in children),
            running,
            60,
            "start",
        )
        began = time.monotonic()
    assert time.monotonic() - began < 5 * 1.5
    assert [child.status for child in children] == [-signal.SIGKILL] * 5
