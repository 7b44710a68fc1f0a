"""Frozen records.

What an administrator configured (the directory snapshot) and what the authority remembers (the store).
"""
