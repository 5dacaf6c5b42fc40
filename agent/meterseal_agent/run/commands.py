"""What each command does, once the command line was understood.

Every trouble an installer can mend becomes one sentence and exit status 1. It must
never act when asked to check.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meterseal_agent.commissioning.enrol import kept_request, make_request, send
from meterseal_agent.commissioning.post import EnrolmentRefused, poster
from meterseal_agent.commissioning.private import keep_private
from meterseal_agent.commissioning.shares import read_shares
from meterseal_agent.commissioning.sheet import (
    Handover,
    check_free,
    forget,
    hand_over,
    parse_sheet,
    split_up,
)
from meterseal_agent.commissioning.subject import Subject, first_readings
from meterseal_agent.config import Config, ConfigError
from meterseal_agent.keystore import KeyEpoch, Keystore, KeystoreError, read_small
from meterseal_agent.resident.paper import first_sheet
from meterseal_agent.run import meters, times
from meterseal_proto.enrolment import EnrolmentAnswer, EnrolmentRequest, MeterRequest
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import obis_text

if TYPE_CHECKING:
    from meterseal_agent.run.reload import ConfigFile

Say = Callable[[str], None]
RESTORED_EPOCH: Final = 1
"""A restored root secret seals with its next key: the dead Pi may yet be found."""
KEY_USED: Final = "key-used"
"""The aggregator's name for a seal key that one of the meters had before."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the installer asked for.

    The one-time code, how long to wait for the meters (s), how the recovery sheet may
    leave, and the file of an old one, or two files of shares, to restore the root secret
    from.
    """

    code: str
    patience_s: int
    handover: Handover
    restore: Path | None = None
    shares: tuple[Path, ...] = ()

    @property
    def restores(self) -> bool:
        """Whether a root secret comes back."""
        return self.restore is not None or bool(self.shares)


def enrol(config: Config, wish: Wish, *, say: Say) -> int:
    """Enrol this agent, in place of one that died when the code says so."""
    return _told(say, lambda: _enrol(config, wish, say))


def check(config: Config, *, say: Say) -> int:
    """Try everything once and print a line for each; 1 when anything is wrong."""
    from meterseal_agent.run.checks import check_all

    return _told(say, lambda: asyncio.run(check_all(config, _clocks(config), say)))


def run(config: Config, *, say: Say, file: "ConfigFile | None" = None) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP, or a change of `file`, reads it anew."""
    from meterseal_agent.run.agent import Agent
    from meterseal_agent.run.reload import enrolled

    async def serve() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, stop.set)
        found, enrolment = enrolled(config, file, say)
        agent = Agent(found, enrolment, _clocks(found), file)
        loop.add_signal_handler(signal.SIGHUP, agent.reload)
        await agent.run(stop)
        return 0

    return _told(say, lambda: asyncio.run(serve()))


def _told(say: Say, act: Callable[[], int]) -> int:
    try:
        return act()
    except (ConfigError, KeystoreError, Unavailable) as error:
        say(f"{error}")
    except EnrolmentRefused as error:
        say(f"the aggregator refused: {error}")
    return 1


def _clocks(config: Config) -> times.Times:
    return times.from_environment(assumed=config.assume_clock)


def _secret(path: Path) -> bytes:
    text = read_small(path)
    try:
        return parse_sheet((text or b"").decode("ascii"))
    except UnicodeDecodeError:
        raise KeystoreError(f"{path} is no recovery sheet") from None
    except ValueError as error:
        raise KeystoreError(f"{path}: {error}") from None


def _restored(wish: Wish) -> tuple[bytes | None, str]:
    """Return the root secret that comes back, None for a new one, and whose it is or ""."""
    if wish.shares:
        return read_shares(wish.shares)
    return (None if wish.restore is None else _secret(wish.restore)), ""


def shares(
    config: Config, folder: Path, proof: Path | None, old: tuple[Path, ...], *, say: Say
) -> int:
    """Split the root secret in three; one that was given out must be shown to be held."""
    return _told(say, lambda: _shares(config, folder, proof, old, say))


def _shares(
    config: Config, folder: Path, proof: Path | None, old: tuple[Path, ...], say: Say
) -> int:
    store = Keystore(config.data_dir)
    answer = store.enrolled()
    if store.paths.sheet_shown.exists():
        secret = _secret(proof) if proof else read_shares(old)[0] if old else None
        if secret != store.keys_secret().value:
            raise KeystoreError(
                "the secret was given out before: show that you hold it, with"
                " --secret-file SHEET or two --share FILE of this agent"
            )
    split_up(store, answer, folder, say)
    return 0


def _enrol(config: Config, wish: Wish, say: Say) -> int:
    store = Keystore(config.data_dir)
    answer = store.answer()
    if answer is not None:
        say(f"already enrolled as {answer.agent}; nothing was changed")
    else:
        answer = _ask(store, config, wish, say)
        say(f"enrolled as {answer.agent} in network {answer.network_name}")
    hand_over(store, answer, wish.handover, say)
    if config.resident is not None:
        first_sheet(store, config.resident, wish.handover, say, time.time())
    return _bring_back(config, wish.patience_s, say) if wish.restores else 0


def restore_history(config: Config, patience_s: int, *, say: Say) -> int:
    """Bring back what a dead device knew of committed registers; 1 unless all came."""
    return _told(say, lambda: _bring_back(config, patience_s, say))


def _bring_back(config: Config, patience_s: int, say: Say) -> int:
    from meterseal_agent.run.restoring import bring_back

    return 0 if bring_back(config, _clocks(config), patience_s, say) else 1


def _ask(store: Keystore, config: Config, wish: Wish, say: Say) -> EnrolmentAnswer:
    check_free(wish.handover)
    secret, whose = _restored(wish)
    if secret is None:
        store.make(KeyEpoch(config.algorithm, 0))
    else:
        store.make(KeyEpoch(config.algorithm, RESTORED_EPOCH), secret)
        forget(store)
    request = kept_request(store, wish.code)
    if request is None:
        read = asyncio.run(_readings(config, wish.patience_s, say))
        found = keep_private(store, read)
        request = make_request(store, wish.code, found)
    _describe(request, say)
    post = poster(config.aggregator_url, config.aggregator_ca)
    while True:
        try:
            return send(store, request, post, whose)
        except EnrolmentRefused as error:
            if not wish.restores or error.trouble != KEY_USED:
                raise
            # This root secret was restored before: its keys up to here are known.
            say(f"{error}; going on with key epoch {store.next_epoch().number}")
            request = make_request(store, wish.code, request.meters)


async def _readings(
    config: Config, patience_s: int, say: Say
) -> tuple[MeterRequest, ...]:
    clocks = _clocks(config)
    wired = meters.wire(config.meters, clocks)
    subjects = [
        Subject(
            w.config.serial,
            w.model,
            w.config.capacity_w,
            w.config.step,
            w.config.registers,
            w.port,
            {r: bits for r in w.config.registers if (bits := w.config.bits_of(r))},
        )
        for w in wired
    ]
    try:
        return await first_readings(subjects, clocks.now, say, patience_s)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        for line in meters.left(wired, ()):
            line.close()


def _describe(request: EnrolmentRequest, say: Say) -> None:
    for meter in request.meters:
        for row in meter.registers:
            value = "committed, told to nobody" if row.mode else row.value
            say(
                f"meter {meter.serial} {obis_text(row.register)}: {value}"
                f" at {row.at}, every {row.step} s"
            )
