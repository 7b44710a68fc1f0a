"""Deputize lets AI agents act for people without ever acting as them."""
