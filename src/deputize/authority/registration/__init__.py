"""Agents that introduce themselves: how often, how they are kept, and when they are forgotten."""
