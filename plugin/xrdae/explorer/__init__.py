"""The explorer: one self-contained HTML page on a dataset's patterns and its model."""
