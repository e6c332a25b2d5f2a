"""Process patterns as they arrive: encode and store them, notify plugins, show them."""
