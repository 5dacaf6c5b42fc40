"""A changed file: taken up as a whole, or refused while the last good one goes on."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from meterseal_agent.cli import main
from meterseal_agent.config import Config, ConfigError
from meterseal_agent.run.reload import (
    LAST_GOOD,
    ConfigFile,
    Reload,
    told_changes,
    usable,
)

TEXT = """
data_dir = "{folder}"
aggregator_url = "https://oracle.example.org"
log_level = "info"
[[meters]]
serial = "A"
profile = "eastron-sdm120"
host = "127.0.0.1"
capacity_w = 7400
"""
MORE = """
[[meters]]
serial = "B"
profile = "eastron-sdm120"
host = "127.0.0.1"
unit = 2
capacity_w = 7400
telemetry_s = 10
"""


class Desk:
    """A file, the duty that watches it, and what was put to work."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.text = TEXT.format(folder=folder)
        self.path.write_text(self.text)
        self.file = ConfigFile(self.path, {})
        self.applied: list[Config] = []
        self.no = ""
        self.reload = Reload(self.file, self.file.load(), self._apply, lambda: 7.0)

    def _apply(self, config: Config) -> None:
        if self.no:
            raise ConfigError(self.no)
        self.applied.append(config)

    def write(self, text: str) -> None:
        before = self.path.stat().st_mtime_ns
        self.path.write_text(text)
        os.utime(self.path, ns=(before + 10**9, before + 10**9))


def test_a_meter_more_is_taken_up_and_kept_as_the_last_good_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert not desk.file.changed()
    desk.write(desk.text + MORE)
    assert desk.file.changed()
    desk.reload.take_up()
    (config,) = desk.applied
    assert [meter.serial for meter in config.meters] == ["A", "B"]
    assert (desk.reload.state.did, desk.reload.state.refused) == ("+B", "")
    assert (tmp_path / LAST_GOOD).read_text() == desk.text + MORE
    assert not desk.file.changed()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text + "[[meters]\n", "is not TOML"),
        (lambda text: text + "colour = 3\n", "colour"),
        (lambda text: text.replace("7400", "0"), "capacity_w"),
        (lambda text: text + '[broker]\nhost = "b.example.org"\n', "broker can only"),
        (lambda text: text.replace("https://oracle", "https://other"), "restart"),
    ],
)
def test_what_is_no_good_changes_nothing_and_says_why(
    tmp_path: Path, change: object, why: str
) -> None:
    assert callable(change)
    desk = Desk(tmp_path)
    desk.write(change(desk.text))
    desk.reload.take_up()
    assert desk.applied == []
    assert why in desk.reload.state.refused
    assert not (tmp_path / LAST_GOOD).exists()
    desk.write(desk.text + MORE)
    desk.reload.take_up()
    assert desk.reload.state.refused == ""
    assert len(desk.applied) == 1


def test_what_enrolment_does_not_know_is_refused_as_a_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.no = "meter B is not enrolled"
    desk.write(desk.text + MORE)
    desk.reload.take_up()
    assert desk.reload.state.refused == "meter B is not enrolled"
    assert not (tmp_path / LAST_GOOD).exists()


async def test_a_file_that_is_still_being_written_is_not_half_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_agent.run.reload.SETTLE_S", 0.2)
    desk = Desk(tmp_path)
    whole = desk.text + MORE
    desk.write(whole)
    desk.reload.take_up()
    # The first half of the whole is a good configuration, of one meter.
    desk.write(desk.text)
    duty = asyncio.create_task(desk.reload.run())
    await asyncio.sleep(0)
    desk.write(whole.replace("7400", "9000"))
    async with asyncio.timeout(10):
        while len(desk.applied) < 2:
            await asyncio.sleep(0.01)
    duty.cancel()
    with suppress(asyncio.CancelledError):
        await duty
    assert [len(config.meters) for config in desk.applied] == [2, 2]
    assert desk.applied[1].meters[0].capacity_w == 9000


def test_what_was_written_after_it_was_read_is_not_kept_as_good(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.write("colour = 3\n")
    desk.file.keep(tmp_path)
    assert not (tmp_path / LAST_GOOD).exists()


def test_a_vanished_file_is_no_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.path.unlink()
    assert not desk.file.changed()


@pytest.mark.parametrize("mistake", ["[[meters]\n", "colour = 3\n", None])
def test_a_broken_file_does_not_keep_the_agent_from_starting(
    tmp_path: Path, mistake: str | None
) -> None:
    desk = Desk(tmp_path)
    said: list[str] = []
    assert usable(desk.file, said.append).meters[0].serial == "A"
    assert said == []
    desk.file.keep(tmp_path)
    if mistake is None:
        desk.path.unlink()
        environment = {"METERSEAL_AGENT_DATA_DIR": str(tmp_path)}
    else:
        desk.write(desk.text + mistake)
        environment = {}
    file = ConfigFile(desk.path, environment)
    config = usable(file, said.append)
    assert config.meters[0].serial == "A"
    assert len(said) == 1
    assert "going on with the last good configuration" in said[0]
    reload = Reload(file, config, desk._apply, lambda: 7.0)
    assert reload.state.refused == file.failed != ""


def test_without_a_last_good_one_the_files_own_mistake_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write(desk.text + "colour = 3\n")
    with pytest.raises(ConfigError, match="colour"):
        usable(ConfigFile(desk.path, {}), print)


@pytest.mark.parametrize("command", ["status", "show"])
def test_an_agent_that_goes_on_with_the_last_good_file_can_be_looked_at(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path)
    desk.file.keep(tmp_path)
    desk.write(desk.text + "colour = 3\n")
    assert main([command, "--config", str(desk.path)]) == 1
    said = capsys.readouterr()
    warning, *more = said.err.splitlines()
    assert "colour" in warning
    assert "going on with the last good configuration" in warning
    assert said.out or more, "what there is of the agent itself"


def test_changes_are_told_in_a_few_words(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    old = desk.file.load()
    desk.write(desk.text.replace("7400", "7000").replace('"info"', '"debug"') + MORE)
    new = desk.file.load()
    assert told_changes(old, new) == "+B ~A log_level=debug"
    assert told_changes(new, old) == "-B ~A log_level=info"
    assert told_changes(old, old) == "nothing"
