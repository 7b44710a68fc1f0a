"""Policies: what decides about an operation of an agent by its arguments and circumstances.

`request.py` says what is decided about, and what a decision is; each engine is a file, imported where a route
uses it. Why: docs/decisions/0032-policies.md.
"""
