"""Authorization servers as the gateway meets them: what they publish, and what their endpoints answer.

Every one is spoken to by the standards alone.
"""
