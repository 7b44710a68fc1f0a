"""What the sample weather server knows: live forecasts when they can be had, built-in climate data otherwise."""
