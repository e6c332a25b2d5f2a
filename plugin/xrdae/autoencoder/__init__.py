"""What a fit leaves behind: preparation, basis, ensemble and novelty, and their file."""
