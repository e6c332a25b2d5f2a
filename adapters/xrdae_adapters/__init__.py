"""Adapters to host frameworks, one module a host; plain xarray needs no adapter.

To support another host, write a module here with two hook functions: `xrdae_to_dataset` turns a
host object into a Dataset, and `xrdae_attach` returns the results in the host's form. Register the
module in pyproject.toml, in the entry-point group `xrdae`. Import the host inside the functions.
`nexus.py` and `pyfai.py` show the two hooks; each host's test is `tests/hosts/test_<host>.py`.
"""


def __getattr__(name: str) -> str:
    if name == "__version__":  # HyperSpy writes it into files with signals of xrdae
        from importlib.metadata import version

        return version("xrdae")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
