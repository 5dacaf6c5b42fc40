"""The API `/v1` over HTTP: who asks, what he may see, and the answer; no rule of its own.

Every route asks `identity.may` unless it is on the short list of what everybody may
read. Errors become problem documents in `problems` and nowhere else.
"""
