"""The API `/v1` over HTTP: who asks, what he may see, and the answer; no rule is made here.

Every route asks `identity.may` unless it is on the short list of what everybody may
read. It must never hold a rule of
its own. Errors become problem documents in `problems` and nowhere else.
"""
