"""The made-up accounts of the sample banking server."""
