"""Fit an autoencoder to patterns, and update it: training set, optimization, latent frame."""
