"""The ways out: mail, SMS by a gateway, a member's webhook, a file; one port, one suite.

Each takes a letter to one program and says whether that took it. This room must never
retry, log an address, or speak in the open to another machine.
"""
