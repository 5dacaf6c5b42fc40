"""Parameters: values the network agrees on, each with the second from which it holds.

Only governance and operators write them; every other room asks for a value at a time.
"""
