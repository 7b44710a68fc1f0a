"""What the sample weather server knows.

Live forecasts when they can be had, built-in climate data otherwise.
"""
