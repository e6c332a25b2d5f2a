"""What can go wrong, by who can mend it."""


class XrdaeError(Exception):
    """Base of every error that xrdae raises on purpose."""


class DataError(XrdaeError, ValueError):
    """The dataset does not say what is needed; the message names what to set."""


class FormatError(XrdaeError, ValueError):
    """A file cannot be read: of no known format, damaged, or a newer model."""


class TrainingError(XrdaeError, RuntimeError):
    """Training cannot go on (a loss that is not finite)."""
