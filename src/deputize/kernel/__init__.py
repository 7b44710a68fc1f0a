"""What every other package may use: clock, ids, errors, durations, URIs, redaction.

It imports the standard library only.
"""
