"""What a user states about files that do not state it themselves."""

from __future__ import annotations

import dataclasses

ROLES = "xyes-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Arguments of `xrdae.open_patterns` that readers use.

    Attributes
    ----------
    columns
        One letter for each column of a table of numbers: `x` positions, `y` intensities, `e`
        standard deviations of the intensities before them, `s` names of samples, `-` not used. A
        `*` repeats the last letter for all further columns. None: the file tells.
    axis
        Quantity of the positions of a table: "two_theta", "q", "d", or the name of another. None:
        the file tells.
    units
        Units of the positions of a table. None: the file tells.
    trust_links
        Follow links and virtual datasets of HDF5 files to files outside of their folder.

    Raises
    ------
    ValueError
        If `columns` is not a text of such letters with at least one `x` and one `y`.
    """

    columns: str | None = None
    axis: str | None = None
    units: str | None = None
    trust_links: bool = False

    def __post_init__(self) -> None:
        if self.columns is None:
            return
        columns = self.columns.lower()
        object.__setattr__(self, "columns", columns)
        letters = columns[:-1] if columns.endswith("*") else columns
        if not {"x", "y"} <= set(letters) <= set(ROLES):
            raise ValueError(
                f"columns={columns!r} must have one letter for each column: x for positions, y for "
                "intensities, e for standard deviations, s for names of samples, - for a column "
                "that is not used; for example 'xye' or 'xy*'"
            )

    @property
    def describes_table(self) -> bool:
        """Whether anything is stated about a table of numbers."""
        return (self.columns, self.axis, self.units) != (None, None, None)


NOTHING_STATED = ReadOptions()
