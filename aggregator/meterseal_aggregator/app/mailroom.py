"""Opens the ways out for notices, as they are configured, and closes them at the end.

This module must never log a secret, nor read one that is open to others.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_aggregator.app.documents import read_key
from meterseal_aggregator.config.notices import Notices, Smtp
from meterseal_aggregator.config.tables import ConfigError
from meterseal_aggregator.notices.duty import Mailroom
from meterseal_aggregator.notices.model import Way
from meterseal_aggregator.notices.outlets.file import FileOutlet
from meterseal_aggregator.notices.outlets.sms import SmsGateway
from meterseal_aggregator.notices.outlets.smtp import SmtpOutlet
from meterseal_aggregator.notices.outlets.webhook import Webhook
from meterseal_aggregator.notices.port import Outlet


@asynccontextmanager
async def open_mailroom(
    notices: Notices, real_now: Callable[[], float]
) -> AsyncIterator[Mailroom]:
    """Open the ways out; `real_now` gives real Unix seconds. ConfigError for a bad secret."""
    outlets: dict[Way, Outlet] = {}
    gateway = None
    if notices.smtp is not None:
        outlets[Way.EMAIL] = _mail(notices.smtp)
    if notices.sms is not None:
        token = notices.sms.token_file
        gateway = SmsGateway(
            notices.sms.url,
            None if token is None else read_key(token),
            _trusting(notices.sms.ca),
        )
        outlets[Way.SMS] = gateway
    if notices.webhooks.enabled:
        outlets[Way.WEBHOOK] = Webhook(real_now, private=notices.webhooks.private)
    if notices.file is not None:
        outlets[Way.FILE] = FileOutlet(notices.file)
    try:
        yield Mailroom(outlets, notices.addresses, notices.link, notices.silent_after_s)
    finally:
        if gateway is not None:
            await gateway.close()


def _mail(smtp: Smtp) -> SmtpOutlet:
    password = None if smtp.password_file is None else read_key(smtp.password_file)
    return SmtpOutlet(smtp.settings(password), _trusting(smtp.ca))


def _trusting(ca: Path | None) -> ssl.SSLContext | None:
    """Return a context that trusts the authority of a file; None: what the machine trusts."""
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca} holds no certificate: {error}") from error
