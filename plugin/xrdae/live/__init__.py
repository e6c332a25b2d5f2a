"""Results while patterns arrive: what is new is encoded, kept, told to hosts and shown."""
