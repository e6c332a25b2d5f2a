"""A dataset to a fitted autoencoder: training set, optimization, latent frame and update."""
