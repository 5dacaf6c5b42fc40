"""What the simulator says when it is asked for something it cannot show.

One exception, one sentence that says what to do; never a traceback for the
person at the keyboard.
"""


class Refused(ValueError):
    """The order cannot be carried out as given; the text says how to mend it."""
