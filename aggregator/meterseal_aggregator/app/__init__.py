"""The composition root: the only place that knows every room, every adapter and the clock.

Nothing is decided here; rooms get values and functions, never the configuration.
"""
