"""The ways out: mail, SMS by a gateway, a member's webhook, a file; one port, one suite.

Each takes a letter to one program and says whether that took it. None of them may retry,
log an address, or speak in the open to another machine.
"""
