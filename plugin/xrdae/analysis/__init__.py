"""Compute results from a fitted model and patterns: latents, relevance, synthesis, estimates."""
