"""The sheet of the resident's page: where it is, its PIN, its certificate's fingerprint.

It goes to a terminal, or to a new file that was asked for by name, apart from the recovery
sheet: this one is in use every week. A PIN is made at the moment it is put on paper, for
only its hash is kept; it must never go into a pipe, a log or a report.
"""

from collections.abc import Callable
from pathlib import Path

from meterseal_agent.commissioning.sheet import Handover
from meterseal_agent.keystore import Keystore, KeystoreError, write_once
from meterseal_agent.resident import certificate
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.pin import grouped, keep_pin, make_pin

Say = Callable[[str], None]


def sheet_text(address: Address, pin: str, fingerprint: str) -> str:
    """Return the sheet; `fingerprint` is "" where the page has no certificate."""
    return f"""\
YOUR METER'S PAGE

    {address.url}
    PIN {grouped(pin)}

On your home's network, with a phone or a computer: what you used, what you were billed,
and what others see of it, which is not your usage. Whoever has the PIN and is on your
network can read all that, so keep this sheet among yourselves.
{_about(fingerprint)}"""


def _about(fingerprint: str) -> str:
    if not fingerprint:
        return ""
    half = len(fingerprint) // 2 + 1
    return f"""
The first time, your browser warns that it does not know the page's certificate: no
authority certifies an address in a home. Let it show the certificate, compare its SHA-256
fingerprint, and go on only if it is the same:

    {fingerprint[:half]}
    {fingerprint[half:]}
"""


def shown_fingerprint(store: Keystore, address: Address, now: float) -> str:
    """Return the page's fingerprint, made if there is none yet; "" without TLS."""
    if not address.tls:
        return ""
    made = certificate.ensure(store.paths, address, now)
    return certificate.fingerprint(made)


def first_sheet(
    store: Keystore, address: Address, handover: Handover, say: Say, now: float
) -> None:
    """Hand over the sheet once, at enrolment; a file's name gets `.page` added."""
    if store.paths.resident_pin.exists():
        return
    file = handover.file
    page = None if file is None else file.with_name(f"{file.name}.page")
    new_sheet(store, address, Handover(page, handover.terminal), say, now)


def new_sheet(
    store: Keystore, address: Address, handover: Handover, say: Say, now: float
) -> bool:
    """Make a PIN in place of the one before and put it on paper; False without any.

    KeystoreError where the file is there already, or cannot be written.
    """
    if handover.file is None and not handover.terminal:
        say(
            "no PIN was made for the resident's page, because this is no terminal: give"
            " meterseal-agent resident-pin at one, or with --sheet FILE"
        )
        return False
    pin = make_pin()
    text = sheet_text(address, pin, shown_fingerprint(store, address, now))
    if handover.file is None:
        say(text)
    else:
        _write(handover.file, text)
        say(f"the page's sheet is in {handover.file}: print it, then delete it")
    keep_pin(store.paths.resident_pin, pin)
    store.paths.resident_tries.unlink(missing_ok=True)
    return True


def _write(path: Path, text: str) -> None:
    try:
        write_once(path, text.encode())
    except FileExistsError:
        raise KeystoreError(f"{path} is there already; name a new file") from None
    except OSError as error:
        raise KeystoreError(f"{path} cannot be written: {error.strerror}") from error
