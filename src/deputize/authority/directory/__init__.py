"""What administrators set up: models in `objects`, assembled into the snapshot that every request reads."""
