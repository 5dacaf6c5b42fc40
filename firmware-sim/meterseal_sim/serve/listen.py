"""What can go wrong with listening on a TCP port, in one sentence each.

Must never hide another trouble: only what the operating system says is translated.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from meterseal_sim.refusal import Refused


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
