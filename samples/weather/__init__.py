"""The data of the sample weather server: live forecasts when they can be had, built-in climate data
otherwise.
"""
