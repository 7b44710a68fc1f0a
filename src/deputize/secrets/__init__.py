"""Secrets by id: stores that find them, formats that read them.

A secret never appears in a representation or an error.
"""
