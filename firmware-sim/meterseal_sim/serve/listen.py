"""Room to listen on many TCP ports, and what can go wrong with it, in one sentence each.

Must never hide another trouble: only what the operating system says is translated.
"""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from meterseal_sim.refusal import Refused

FILES_BESIDE = 256
"""What the interpreter and its libraries hold open, with plenty to spare."""
FILES_A_LINE = 3
"""The listener and two clients: an agent, and a technician beside it."""


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Turn the trouble of opening `host`:`port` into Refused."""
    try:
        yield
    except OSError as trouble:
        if trouble.errno == errno.EMFILE:
            raise Refused(
                f"no more open files at port {port}: raise `ulimit -n`, or use --gateway"
            ) from None
        if trouble.errno != errno.EADDRINUSE:
            raise Refused(f"cannot listen on {host}:{port}: {trouble}") from None
        raise Refused(
            f"port {port} on {host} is taken: choose another --port or stop"
            " the program that has it"
        ) from None


def make_room(lines: int) -> None:
    """Raise this process' soft limit of open files so that many lines fit.

    Each line is one file and each client another; the hard limit stays what it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_BESIDE + FILES_A_LINE * lines
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
