"""The Earth's size."""

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""
