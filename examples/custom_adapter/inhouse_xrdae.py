"""Adapter of xrdae to a Run of the in-house framework."""

import dataclasses

import xarray as xr

from xrdae import hookimpl


def is_run(obj):
    # By name, so that objects of other libraries do not import the framework.
    return type(obj).__qualname__ == "Run" and hasattr(obj, "two_theta")


@hookimpl
def xrdae_to_dataset(obj):
    """Return patterns, axis and labels as a Dataset; None for another object."""
    if not is_run(obj):
        return None
    patterns = (("pattern", "two_theta"), obj.counts, {"units": "counts"})
    axis = ("two_theta", obj.two_theta, {"units": "degree"})
    temperature = ("pattern", obj.temperature, {"units": "K"})
    return xr.Dataset({"intensity": patterns}, {"two_theta": axis, "temperature": temperature})


@hookimpl
def xrdae_attach(obj, result):
    """Return a Run with the result; None for another object."""
    return dataclasses.replace(obj, analysis=result) if is_run(obj) else None
