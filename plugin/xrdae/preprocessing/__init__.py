"""Patterns to the input of a model: checked, regridded, scaled, transformed and sampled."""
