"""Identity: who asks, by bearer token, and what that role may do to whose objects.

It must never know what the objects are, nor keep a token itself.
"""
