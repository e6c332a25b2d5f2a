"""A facility's plugin: what lies in the shadow of the beam stop is not measured."""

from xrdae import hookimpl

SHADOW = 26.0  # degree


@hookimpl
def xrdae_model_input(dataset, model):
    """Hide the shadow, then go on as usual."""
    lit = dataset["intensity"].where(dataset["two_theta"] > SHADOW)
    return model.model_input(dataset.assign(intensity=lit))
