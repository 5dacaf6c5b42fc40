"""A Stacks node: the port, its HTTP adapter, and two that must agree.

Nothing a node says may be believed because it was said: every answer is read strictly.
"""
