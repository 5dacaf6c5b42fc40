"""Calls for members' own wallets: from JSON to a typed call, handed out unsigned with words.

No key may ever be here.
"""
