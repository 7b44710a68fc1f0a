"""Benchmarks.

Each measures Deputize and a peer alternately in the same run, because only their ratio means anything.
"""
