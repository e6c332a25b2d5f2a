"""Plugin of a facility that masks the shadow of the beam stop."""

from xrdae import hookimpl

SHADOW = 26.0  # degree


@hookimpl
def xrdae_model_input(dataset, model):
    """Mask the shadow, then prepare the model input as usual."""
    lit = dataset["intensity"].where(dataset["two_theta"] > SHADOW)
    return model.model_input(dataset.assign(intensity=lit))
