"""The oracle's duties as a story: every act of a community on the chain, once, in order.

Chapters are small modules that call our typed bindings; a `Walk` brings each call to the
chain through our own outbox. The demo tells it, and a test tells it with wrong attempts
between. Nothing here may hold a key of anybody who is not made up for it.
"""
