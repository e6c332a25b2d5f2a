"""What a Dataset of patterns is: axes, units, names, quantities, and labels around arrays."""
