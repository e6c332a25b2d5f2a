"""Reader of XDI."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text

XDI = """# XDI/1.0 GSE/1.0
{columns}
# Element.symbol: Cu
# Element.edge: K
# Sample.name: Cu foil
# Sample.temperature: 25 degC
# Scan.start_time: 2001-06-26T22:27:31
# ///
# Column.9: this is a comment
#-----
# {labels}
{rows}
"""


def xdi_text(*names, rows, labels=None):
    columns = "\n".join(f"# Column.{i}: {name}" for i, name in enumerate(names, start=1))
    labels = " ".join(name.split()[0] for name in names) if labels is None else labels
    return XDI.format(columns=columns, labels=labels, rows=rows)


def test_xdi_is_absorption_over_the_energy():
    scan = read_one_scan(xdi_text("energy eV", "i0", "mutrans", rows="8979 1 0.5\n8980 1 0.7"))
    np.testing.assert_array_equal(scan.positions, [8979, 8980])
    np.testing.assert_array_equal(scan.intensity, [0.5, 0.7])
    assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", "energy", "eV")
    assert scan.metadata == {
        "element": "Cu",
        "edge": "K",
        "sample": "Cu foil",
        "temperature": 298.15,
        "time": "2001-06-26T22:27:31",
    }


def test_xdi_absorption_follows_from_the_intensities():
    rows = "8.979 10 5 2\n8.980 20 5 0\n8.981 20 0 4"
    transmission, fluorescence = read_text(
        xdi_text("energy keV", "i0", "itrans", "ifluor", rows=rows)
    )
    np.testing.assert_allclose(transmission.intensity, [np.log(2), np.log(4), np.nan])
    np.testing.assert_allclose(fluorescence.intensity, [0.2, 0, 0.2])
    assert transmission.axis.units == "keV"
    assert [s.metadata["column"] for s in (transmission, fluorescence)] == ["mutrans", "mufluor"]


def test_xdi_columns_may_be_named_by_the_last_line_of_the_header():
    scan = read_one_scan(xdi_text(labels="energy normtrans", rows="8979 0\n8980 1"))
    np.testing.assert_array_equal(scan.intensity, [0, 1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (xdi_text("angle degrees", "mutrans", rows="12 1\n13 2"), "no column energy"),
        (xdi_text("energy eV", "i0", rows="8979 1\n8980 2"), "no absorption"),
        (xdi_text("energy meV", "mutrans", rows="8979 1\n8980 2"), "'meV'"),
        (xdi_text("energy", "mutrans", rows="8.979 1\n8.980 2"), "state eV or keV"),
        (xdi_text("energy eV", "mutrans", rows="8979 1 2\n8980 2 2"), "2 columns"),
        (xdi_text("energy eV", "mutrans", rows="8979 1\n8980"), "broken"),
        (xdi_text("energy eV", "mutrans", rows="8979 1\n# b\n8980 2"), "a comment parts"),
        (xdi_text("energy eV", "energy eV", rows="8979 1\n8980 2"), "same name"),
        (xdi_text(labels="", rows="8979 1\n8980 2"), "does not name"),
        (xdi_text("energy eV", "mutrans", rows=""), "no rows"),
    ],
)
def test_xdi_without_absorption_over_the_energy_is_refused(text, said):
    assert said in find_refusal(text, "a.xdi")
