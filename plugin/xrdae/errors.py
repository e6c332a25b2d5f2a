"""What can go wrong, by who can mend it."""


class XrdaeError(Exception):
    """Base of every error that xrdae raises on purpose."""


class DataError(XrdaeError, ValueError):
    """The dataset does not say what is needed; the message names what to set."""


class FormatError(XrdaeError, ValueError):
    """A file is not an xrdae model, or a damaged or newer one."""


class TrainingError(XrdaeError, RuntimeError):
    """Training cannot go on (a loss that is not finite)."""
