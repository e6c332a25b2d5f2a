"""Adapters to host frameworks, one module a host; plain xarray needs none."""
