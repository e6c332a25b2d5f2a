"""A fitted model and patterns to results: latents, relevance, synthesis, estimates."""
