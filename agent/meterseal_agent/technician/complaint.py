"""What a technician has to mend, in one sentence; the command line prints it and ends.

It must never carry a traceback's words: whoever reads it stands on a ladder.
"""


class Complaint(Exception):
    """A command cannot do what it was asked; the text says why and what to do."""
