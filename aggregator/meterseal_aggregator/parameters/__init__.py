"""Parameters: values the network agrees on, each with the second from which it holds.

Every room asks for a value at a time; none but governance and operators must ever write one.
"""
