"""Running: every duty of the agent put together, each at its own pace.

Only this package and the command line read the clock, the configuration and the
environment. One duty's trouble must never stop another.
"""
