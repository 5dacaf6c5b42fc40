"""A changed configuration taken up while running, or refused while the last good one goes on.

On SIGHUP, and when the file changes. What is not understood, what enrolment does not know
and what only a restart can change is refused as a whole, with one sentence in the log and
the status. What was good is kept beside the keys, so that a mistake in the file cannot
keep the agent from starting either. This module must never apply half of a file.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.config import PREFIX, Config, ConfigError, load, parse
from meterseal_agent.config.read import DEFAULT_DATA
from meterseal_agent.keystore import KeystoreError, read_small
from meterseal_agent.run.enrolment import Enrolment

LOOK_S: Final = 5.0
"""Real seconds between two looks at the file: an installer waits for it with his phone."""
SETTLE_S: Final = 1.0
"""Real seconds a changed file must lie still: half of one that is being written may read
like a good one with fewer meters."""
LAST_GOOD: Final = "last-good.toml"
_FIXED: Final = (
    *(
        "data_dir",
        "aggregator_url",
        "aggregator_ca",
        "algorithm",
        "assume_clock",
        "zone",
        "witness",
    ),
    *("broker", "metrics_port", "trustees", "shortest_bill_days"),
    *("net_purchases", "resident"),
)
"""What a running agent cannot change: keys, clocks and connections hang on it."""
_DATA_DIR: Final = re.compile(r'^\s*data_dir\s*=\s*"([^"]+)"', re.MULTILINE)

_log = logging.getLogger("meterseal.config")


class ConfigFile:
    """The configuration's file, and whether it is another one than when it was read."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment
        self._seen: tuple[int, ...] = ()
        self.failed = ""
        """Why the last good one is in use instead; empty while the file is."""

    def load(self) -> Config:
        """Read it; ConfigError says what is wrong with it."""
        self._seen = self.look()
        return load(self._path, self._environment)

    def changed(self) -> bool:
        """Tell whether it was written since it was read; an absent file is not new."""
        found = self.look()
        return bool(found) and found != self._seen

    def keep(self, folder: Path) -> None:
        """Keep the text as the last good one; a disk that refuses costs only that.

        A file that was written since it was read is not the one that was good.
        """
        draft = folder / f".{LAST_GOOD}"
        if self.look() != self._seen:
            return
        try:
            text = self._path.read_text(encoding="utf-8")
            with draft.open("w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            draft.chmod(0o600)
            draft.replace(folder / LAST_GOOD)
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("last_good_not_kept why=%r", str(error))

    def last_good(self) -> Config:
        """Return the last good configuration; ConfigError when there is none either."""
        path = self._folder() / LAST_GOOD
        try:
            text = (read_small(path) or b"").decode()
        except (KeystoreError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        if not text:
            raise ConfigError(f"{path} is not there")
        return parse(text, self._environment, str(path))

    def _folder(self) -> Path:
        """Return where the keys lie, though the file may say so in no way we understand."""
        name = self._environment.get(f"{PREFIX}DATA_DIR")
        if name is None:
            try:
                text = self._path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = ""
            match = _DATA_DIR.search(text)
            name = match[1] if match else DEFAULT_DATA
        return Path(name)

    def look(self) -> tuple[int, ...]:
        """Return what tells one writing of the file from another, () without a file."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino


def usable(file: ConfigFile, say: Callable[[str], None]) -> Config:
    """Return what to start with: the file, or the last good one and a word about it.

    Raises ConfigError, the file's own, when there is no last good one.
    """
    try:
        return file.load()
    except ConfigError as error:
        return _instead(file, error, say)


def enrolled(
    config: Config, file: ConfigFile | None, say: Callable[[str], None]
) -> tuple[Config, Enrolment]:
    """Return the configuration to run by and its enrolment; see `usable`.

    A configuration that enrolment does not know gives way to the last good one.
    """
    try:
        enrolment = Enrolment.load(config)
    except ConfigError as error:
        if file is None:
            raise
        config = _instead(file, error, say)
        enrolment = Enrolment.load(config)
    else:
        if file is not None and not file.failed:
            file.keep(config.data_dir)
    return config, enrolment


def _instead(
    file: ConfigFile, error: ConfigError, say: Callable[[str], None]
) -> Config:
    try:
        config = file.last_good()
    except ConfigError:
        raise error from None
    file.failed = str(error)
    say(f"{error}; going on with the last good configuration")
    return config


def fixed_changes(old: Config, new: Config) -> list[str]:
    """Return the keys that differ and that only a restart can change."""
    return [key for key in _FIXED if getattr(old, key) != getattr(new, key)]


def _check_fixed(old: Config, new: Config) -> None:
    found = fixed_changes(old, new)
    if found:
        raise ConfigError(f"{', '.join(found)} can only change with a restart")


def told_changes(old: Config, new: Config) -> str:
    """Return in a few words what another configuration changes; never a secret."""
    before = {meter.serial: meter for meter in old.meters}
    after = {meter.serial: meter for meter in new.meters}
    parts = [f"+{serial}" for serial in after if serial not in before]
    parts += [f"-{serial}" for serial in before if serial not in after]
    parts += [
        f"~{serial}"
        for serial, meter in after.items()
        if serial in before and before[serial] != meter
    ]
    for key in ("log_level", "health_s"):
        if getattr(old, key) != getattr(new, key):
            parts.append(f"{key}={getattr(new, key)}")
    return " ".join(parts) or "nothing"


@dataclass(slots=True)
class ReloadState:
    """What became of the last change: when, what it did, or why it was refused."""

    at: int | None = None
    did: str = ""
    refused: str = ""


class Reload:
    """The duty that takes up a changed file.

    `apply` puts a configuration to work or raises ConfigError, having changed nothing.
    """

    def __init__(
        self,
        file: ConfigFile,
        config: Config,
        apply: Callable[[Config], None],
        now: Callable[[], float],
    ) -> None:
        self._file = file
        self._config = config
        self._apply = apply
        self._now = now
        self._asked = asyncio.Event()
        self.state = ReloadState(refused=file.failed)

    def ask(self) -> None:
        """Read the file at once, changed or not: somebody sent SIGHUP."""
        self._asked.set()

    async def run(self) -> None:
        """Look at the file for ever."""
        while True:
            if self._asked.is_set() or await self._has_changed():
                self._asked.clear()
                self.take_up()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _has_changed(self) -> bool:
        """Tell whether the file is another one; returns once nobody is writing it."""
        if not self._file.changed():
            return False
        found: tuple[int, ...] = ()
        while found != (now := self._file.look()) and not self._asked.is_set():
            found = now
            await asyncio.sleep(SETTLE_S)
        return self._file.changed()

    def take_up(self) -> None:
        """Read the file and put it to work, or say why not."""
        state = self.state
        state.at = int(self._now())
        try:
            new = self._file.load()
            _check_fixed(self._config, new)
            did = told_changes(self._config, new)
            self._apply(new)
        except ConfigError as error:
            state.refused = str(error)
            _log.warning("config_refused why=%r", state.refused)
            return
        self._config = new
        state.did, state.refused = did, ""
        self._file.keep(new.data_dir)
        _log.info("config_reloaded changes=%r", did)
