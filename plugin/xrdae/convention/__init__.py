"""The dataset convention: axes, units, names, labels, and kernels applied to labelled data."""
