"""What every other package may use: clock, ids, errors, durations, URIs, redaction.

Imports the standard library only.
"""
