"""The fitted autoencoder: preparation, basis, ensemble and novelty, and its file."""
