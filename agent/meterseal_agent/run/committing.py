"""The duty that tells committed registers' days: cut, proved in another process, signed.

A day is looked for every few seconds, proved by `seal.prover` at the lowest priority, and
waits signed for its time to leave. A prover that dies, hangs or answers nonsense costs a
pause and is started again. This module must never prove in the daemon itself, nor say more
of a day than that it was proved.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from typing import Final

from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.seal.committer import Committer, Job
from meterseal_agent.seal.prover import MODULE, to_bytes
from meterseal_proto.errors import Unavailable
from meterseal_proto.rangeproof import proof_bytes

LOOK_S: Final = 2.0
"""Between two looks for a day that is over; real seconds."""
PROOF_LIMIT_S: Final = 600.0
"""A proof takes about 3 s on a Pi 4, and a minute on the slowest without libsecp256k1's
speed: after ten the process hangs."""
AGAIN_S: Final = 30.0
AGAIN_CAP_S: Final = 3600.0
"""Waits after a proof that failed, doubled each time: a machine short of memory is not
helped by trying at once."""

_log = logging.getLogger("meterseal.seal")


class Committing:
    """The duty; `wake` is called when a day is signed."""

    def __init__(
        self, committer: Committer, thread: FileThread, wake: Callable[[], None]
    ) -> None:
        self._committer = committer
        self._thread = thread
        self._wake = wake
        self.turns = 0
        self.failures = 0

    async def run(self) -> None:
        """Cut and prove days, for ever."""
        wait = AGAIN_S
        while True:
            self.turns += 1
            try:
                proved = await self._step()
            except Unavailable as trouble:
                self.failures += 1
                _log.warning("day_not_proved why=%r again_in_s=%d", str(trouble), wait)
                await asyncio.sleep(wait)
                wait = min(AGAIN_CAP_S, 2 * wait)
                continue
            wait = AGAIN_S
            if not proved:
                await asyncio.sleep(LOOK_S)

    async def _step(self) -> bool:
        """Do the next thing there is to do; tell whether a day was proved."""
        await self._thread.do(self._committer.cut)
        job = await self._thread.do(self._committer.next_job)
        if job is None:
            return False
        proof = await prove_apart(job)
        await self._thread.do(self._committer.proved, job, proof)
        _log.info("day_proved seq=%d", job.seal[1])
        self._wake()
        return True


async def prove_apart(job: Job) -> bytes:
    """Return the proof of a job, made by another process; Unavailable when it gave none.

    The process ends with us: it is killed when this is cancelled.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", MODULE), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(PROOF_LIMIT_S):
            proof, _ = await process.communicate(to_bytes(job))
    except TimeoutError:
        raise Unavailable("the prover took too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = job.statement
    if process.returncode or len(proof) != proof_bytes(
        said.bits, len(said.commitments)
    ):
        raise Unavailable(f"the prover ended with {process.returncode} and no proof")
    return proof
