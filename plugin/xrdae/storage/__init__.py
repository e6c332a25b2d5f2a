"""Bytes on disk, without any science: atomic writing, netCDF, Zarr, checksums, JSON."""
