"""The made-up money behind the sample banking server."""
