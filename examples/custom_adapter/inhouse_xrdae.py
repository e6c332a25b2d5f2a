"""How xrdae gets at a Run of the in-house framework, and where its results go."""

import dataclasses

import xarray as xr

from xrdae import hookimpl


def is_run(obj):
    # By name, so that the framework is not imported for objects of others.
    return type(obj).__qualname__ == "Run" and hasattr(obj, "two_theta")


@hookimpl
def xrdae_to_dataset(obj):
    """Say what the patterns, their axis and their labels are; None where it is no Run."""
    if not is_run(obj):
        return None
    patterns = (("pattern", "two_theta"), obj.counts, {"units": "counts"})
    axis = ("two_theta", obj.two_theta, {"units": "degree"})
    temperature = ("pattern", obj.temperature, {"units": "K"})
    return xr.Dataset({"intensity": patterns}, {"two_theta": axis, "temperature": temperature})


@hookimpl
def xrdae_attach(obj, result):
    """Return a Run with the result; None where it is no Run."""
    return dataclasses.replace(obj, analysis=result) if is_run(obj) else None
