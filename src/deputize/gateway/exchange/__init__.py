"""What filters and handlers share about one exchange."""
