"""Statements: bills and credit notes, from usage and tariff to document, log and ledger.

A bill never changes. What comes after it is an act (`lifecycle`), or a credit note with a
bill in its place (`correct`).
"""
