"""Privacy: days nobody can read - their commitments, proofs, bills and what those tell.

Intake, above, decides what is accepted and hands it down; here it is kept, its proofs are
checked, and bills over it. A usage must never be in this room, in any form but hidden.
"""
