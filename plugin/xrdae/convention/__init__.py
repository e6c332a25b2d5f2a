"""What a Dataset of patterns is: its axes, units, names and quantities, and labels around arrays."""
