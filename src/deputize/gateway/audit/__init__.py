"""Audit services and their destinations as heap objects."""
