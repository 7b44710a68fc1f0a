"""The data of the sample weather server: live forecasts when they can be had, else built-in climate data."""
