"""Adapters to host frameworks, one module a host; plain xarray needs none."""


def __getattr__(name: str) -> str:
    if name == "__version__":  # HyperSpy writes it into files that hold our signals
        from importlib.metadata import version

        return version("xrdae")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
