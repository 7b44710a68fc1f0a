"""Secrets by id: what stores hand out, the formats they are stored in, and texts sealed with them.

A secret never appears in a representation or an error.
"""
