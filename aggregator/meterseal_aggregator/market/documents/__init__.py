"""Meter documents: a PDF that backs what a member says he makes in a month.

Nobody's text is kept: only its SHA-256, the figure, the verdict and what it was worth.
"""
