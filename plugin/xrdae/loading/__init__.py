"""Files to one Dataset: opening, gridding, tables of labels, and the engine for xarray."""
