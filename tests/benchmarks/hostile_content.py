"""Contents of files that take long to read if a reader is not linear in the size of the file."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

Maker = Callable[[int], bytes]


def repeat(piece: str, n: int) -> str:
    """Return a piece repeated to about n characters."""
    return piece * max(n // len(piece), 1)


def number(piece: str, n: int) -> str:
    """Return a piece repeated to about n characters, with a number in each."""
    times = max(n // (len(piece) + 4), 1)
    return "".join(piece.format(i) for i in range(times))


def of_text(head: str, piece: str, tail: str = "") -> Maker:
    """Return a maker of texts with a repeated middle."""
    if "{}" in piece:
        return lambda n: (head + number(piece, n) + tail).encode()
    return lambda n: (head + repeat(piece, n) + tail).encode()


def of_archive(members: Callable[[int], dict[str, str]]) -> Maker:
    """Return a maker of zip archives."""

    def make(n: int) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, text in members(n).items():
                archive.writestr(name, text)
        return stream.getvalue()

    return make


ROWS = "10 1 1\n10.1 2 1\n10.2 3 1\n"
UXD = "_FILEVERSION=2\n_DRIVE='COUPLED'\n"
RAS = "*RAS_DATA_START\n*RAS_HEADER_START\n"
RAS_DATA = "*RAS_INT_START\n10 1 1\n11 2 1\n*RAS_INT_END\n"
XRDML = '<?xml version="1.0"?><xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/2.0">'
XRDML_POINTS = (
    "<dataPoints><positions axis='2Theta'><startPosition>10</startPosition><endPosition>12"
    "</endPosition></positions><counts>1 2 3</counts></dataPoints>"
)
BRML = '<RawData xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><DataRoutes><DataRoute>'
BRML_VIEWS = (
    '<DataViews><RawDataView xsi:type="FixedRawDataView" Start="0" Length="1" '
    'LogicName="MeasuredTime"/><RawDataView xsi:type="VaryingRawDataView" Start="1" Length="1">'
    '<Varying><FieldDefinitions AxisId="TwoTheta"/></Varying></RawDataView><RawDataView '
    'xsi:type="RecordedRawDataView" Start="2" Length="1"><Recording><Unit Base="Counts"/>'
    "</Recording></RawDataView>{}</DataViews></DataRoute></DataRoutes></RawData>"
)
BRML_TIME = '<RawDataView Start="0" Length="1" LogicName="MeasuredTime"/>'
CIF_LOOP = "loop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n"
GSAS = "title\n"
TIME_MAP = "TIME_MAP 7 4 1 TIME_MAP 100.0\n1 100 10 200\n"
XDI_END = "# Column.1: energy eV\n# Column.2: mu\n#---\n# energy mu\n8979 1\n8980 2\n"
SPEC = "#F a\n"
SPEC_SCAN = "#S 1 ascan tth 1 2 1 1\n#P0 1\n#N 2\n#L tth  det\n1 2\n2 3\n"
ASC = "*TYPE = Raw\n"
ASC_GROUP = "*BEGIN\n*START = 10\n*STOP = 11\n*STEP = 1\n*COUNT = 2\n1, 2\n*END\n"


def make_brml(rows: str, views: str = "") -> dict[str, str]:
    """Return the member of a BRML archive."""
    return {"Experiment0/RawData0.xml": BRML + rows + BRML_VIEWS.format(views)}


def make_keys_and_groups(n: int) -> bytes:
    """Return an ASC file with as many keys as groups."""
    return (ASC + number("*K{} = 1\n", n // 2) + repeat(ASC_GROUP, n // 2)).encode()


def make_columns_of_cif(n: int) -> bytes:
    """Return a CIF with a loop of many columns and one row."""
    times = n // 12
    return (
        "data_a\nloop_\n" + "".join(f"_c{i}\n" for i in range(times)) + "1 " * times + "\n"
    ).encode()


def make_time_map(n: int) -> bytes:
    """Return a GSAS file with a map of many parts."""
    times = n // 14
    parts = "".join(f"{i + 1} {i} 1\n" for i in range(times))
    bank = f"BANK 1 {times} 1 TIME_MAP 7\n" + "1 " * times
    head = f"TIME_MAP 7 {3 * times + 1} {times} TIME_MAP 100.0\n"
    return f"title\n{head}{parts}{times}\n{bank}\n".encode()


def make_motors_and_scans(n: int) -> bytes:
    """Return a SPEC file with a long list of motors and many scans."""
    return (SPEC + "#O0 " + number("m{}  ", n // 2) + "chi\n" + repeat(SPEC_SCAN, n // 2)).encode()


def make_raw_1(n: int) -> bytes:
    """Return a Bruker RAW 1 of many ranges."""
    header = bytearray(152)
    struct.pack_into("<Iff", header, 0, 2, 1.0, 0.1)
    struct.pack_into("<f", header, 20, 10.0)
    struct.pack_into("<I", header, 148, 1)
    times = n // 164
    last = bytearray(header)
    struct.pack_into("<I", last, 148, 0)
    points = struct.pack("<2f", 1, 2)
    return b"RAW " + (b"".join([bytes(header) + points] * times)) + bytes(last) + points


def make_raw_4(n: int) -> bytes:
    """Return a Bruker RAW 4 of many drives in one range."""
    times = n // 64
    content = bytearray(61)
    content[:8] = b"RAW4.00\0"
    header = bytearray(160)
    header[32:46] = b"Locked Coupled"
    struct.pack_into("<ddIf", header, 72, 10.0, 0.5, 2, 1.0)
    struct.pack_into("<II", header, 136, 4, 64 * times)
    drive = struct.pack("<III24s20xd", 50, 64, 2, b"2Theta", 10.0)
    return bytes(content + header) + drive * times + struct.pack("<2f", 1, 2)


# Kind of hostile content: ending of the file, and its maker.
HOSTILE: dict[str, tuple[str, Maker]] = {
    "uxd, long blanks in a value": (".uxd", of_text(UXD + "_A=1", " ", "x\n_COUNTS\n1 2\n")),
    "uxd, long blanks without a value": (".uxd", of_text(UXD + "_A", " ", "x\n")),
    "uxd, long word": (".uxd", of_text(UXD + "_", "A", "\n")),
    "uxd, many keys": (".uxd", of_text(UXD, "_K{}=1\n", "_2THETACOUNTS\n1 2\n3 4\n")),
    "uxd, many ranges": (".uxd", of_text(UXD, "_2THETACOUNTS\n1 2\n3 4\n")),
    "uxd, many empty ranges": (".uxd", of_text(UXD, "_2THETACOUNTS\n")),
    "uxd, a long line": (".uxd", of_text(UXD + "_2THETACOUNTS\n", "1.5 2 ")),
    "uxd, alternating comments": (".uxd", of_text(UXD + "_2THETACOUNTS\n", "1.5 2\n;\n")),
    "ras, long blanks in a value": (".ras", of_text(RAS + '*A "1', " ", "x\n" + RAS_DATA)),
    "ras, long blanks behind a key": (".ras", of_text(RAS + "*A", " ", "x\n" + RAS_DATA)),
    "ras, many quotes": (".ras", of_text(RAS + "*A ", '" ', "x\n" + RAS_DATA)),
    "ras, many keys": (".ras", of_text(RAS, '*K{} "1"\n', RAS_DATA)),
    "ras, many scans": (".ras", of_text("*RAS_DATA_START\n", RAS_DATA)),
    "ras, many keys and axes": (
        ".ras",
        of_text(RAS, '*MEAS_COND_AXIS_NAME_INTERNAL-{} "Chi"\n', RAS_DATA),
    ),
    "ras, alternating rows": (".ras", of_text(RAS + "*RAS_INT_START\n", "1 2\n1 2 3\n")),
    "ras, alternating comments": (
        ".ras",
        of_text(RAS + "*RAS_INT_START\n", "1 2\n;\n", "*RAS_INT_END\n"),
    ),
    "rasx, many profiles": (
        ".rasx",
        of_archive(lambda n: {f"Data{i}/Profile0.txt": "1 2 1\n2 3 1\n" for i in range(n // 150)}),
    ),
    "rasx, a long line": (
        ".rasx",
        of_archive(lambda n: {"Data0/Profile0.txt": repeat("1 2 ", n) + "\n"}),
    ),
    "xrdml, many measurements": (
        ".xrdml",
        of_text(
            XRDML,
            f"<xrdMeasurement><scan>{XRDML_POINTS}</scan></xrdMeasurement>",
            "</xrdMeasurements>",
        ),
    ),
    "xrdml, many scans": (
        ".xrdml",
        of_text(
            XRDML + "<xrdMeasurement>",
            f"<scan>{XRDML_POINTS}</scan>",
            "</xrdMeasurement></xrdMeasurements>",
        ),
    ),
    "xrdml, nested measurements": (
        ".xrdml",
        lambda n: (
            XRDML
            + repeat(f"<xrdMeasurement><scan>{XRDML_POINTS}</scan>", n)
            + "</xrdMeasurement>" * max(n // len(f"<xrdMeasurement><scan>{XRDML_POINTS}</scan>"), 1)
            + "</xrdMeasurements>"
        ).encode(),
    ),
    "xrdml, many positions": (
        ".xrdml",
        of_text(
            XRDML + "<xrdMeasurement><scan><dataPoints><counts>1 2</counts>",
            "<positions axis='Omega'><commonPosition>1</commonPosition></positions>",
            "</dataPoints></scan></xrdMeasurement></xrdMeasurements>",
        ),
    ),
    "brml, many rows": (
        ".brml",
        of_archive(lambda n: make_brml(number("<Datum>1,{},2</Datum>", n))),
    ),
    "brml, many times": (
        ".brml",
        of_archive(
            lambda n: make_brml(number("<Datum>1,{},2</Datum>", n // 2), repeat(BRML_TIME, n // 2))
        ),
    ),
    "brml, many commas": (
        ".brml",
        of_archive(lambda n: make_brml(f"<Datum>{repeat('1,', n)}1</Datum>")),
    ),
    "brml, many members": (
        ".brml",
        of_archive(
            lambda n: {
                f"Experiment{i}/RawData0.xml": BRML
                + "<Datum>1,1,2</Datum><Datum>1,2,2</Datum>"
                + BRML_VIEWS.format("")
                for i in range(n // 900)
            }
        ),
    ),
    "cif, many blocks": (".cif", of_text("", f"data_{{}}\n{CIF_LOOP}10 1\n11 2\n")),
    "cif, many columns": (".cif", make_columns_of_cif),
    "cif, long digits": (".cif", of_text("data_a\n" + CIF_LOOP + "10 ", "1", "x\n11 2\n")),
    "cif, blank lines": (".cif", of_text("", " \n", "data_a\n_b 1\n")),
    "cif, many loops": (
        ".cif",
        of_text("data_a\n", "loop_\n_a{}\n1\n2\n", CIF_LOOP + "1 2\n2 3\n"),
    ),
    "gsas, many banks": (
        ".gsa",
        of_text(GSAS, "BANK 1 2 1 CONS 1000 5 0 0 STD\n       1       2\n"),
    ),
    "gsas, long blanks": (".gsa", of_text(GSAS + "BANK 1 2 1 CONS 1000", " ", "5 0 0 STD\n1 2\n")),
    "gsas, many comments": (
        ".gsa",
        of_text(GSAS, "# a\n", "BANK 1 2 1 CONS 1000 5 0 0 STD\n1 2\n"),
    ),
    "gsas, a long line": (".gsa", of_text(GSAS + "BANK 1 2 1 CONS 1000 5 0 0 STD\n", "1 ", "\n")),
    "gsas, long title": (".gsa", of_text("", "\x7f ", "\nBANK 1 2 1 CONS 1000 5 0 0 STD\n1 2\n")),
    "udf, many keys": (".udf", of_text("SampleIdent,a,/\n", "K{},1,/\n", "RawScan\n1, 2/\n")),
    "udf, many commas": (".udf", of_text("SampleIdent,a,/\nA", ",", "\nRawScan\n1, 2/\n")),
    "asc, many keys and groups": (".asc", make_keys_and_groups),
    "cpi, many title lines": (
        ".cpi",
        of_text(
            "SIETRONICS XRD SCAN\n10\n11\n1\nCu\n1.54\n1-1-2000\n1\n", "a\n", "SCANDATA\n1\n2\n"
        ),
    ),
    "mdi, long blanks": (".mdi", of_text("a\n1 1 1 Cu 1.54 2 2", " ", "x\n1 2\n")),
    "json, many lists": (".iq", of_text('{"data": [', "[1],", "[1]]}")),
    "raw 1, many ranges": (".raw", make_raw_1),
    "raw 4, many drives": (".raw", make_raw_4),
    "gsas, many time maps": (".gsa", of_text(GSAS, TIME_MAP, "BANK 1 2 1 TIME_MAP 7\n1 2\n")),
    "gsas, a long time map": (".gsa", make_time_map),
    "xdi, many fields": (".xdi", of_text("# XDI/1.0\n", "# A.k{}: 1\n", XDI_END)),
    "xdi, long blanks": (".xdi", of_text("# XDI/1.0\n# A.b", " ", "c\n" + XDI_END)),
    "xdi, many columns": (".xdi", of_text("# XDI/1.0\n", "# Column.{}: a\n", XDI_END)),
    "xdi, alternating rows": (".xdi", of_text("# XDI/1.0\n#---\n# energy mu\n", "1 2\n1 2 3\n")),
    "spec, many scans": (".spec", of_text(SPEC, SPEC_SCAN)),
    "spec, many motors and scans": (".spec", make_motors_and_scans),
    "spec, long blanks": (".spec", of_text(SPEC + "#S 1 a\n#N 2\n#L tth", " ", "det\n1 2\n2 3\n")),
    "spec, many keys": (".spec", of_text(SPEC + SPEC_SCAN, "#C a\n#A{} 1\n")),
    "spec, a long spectrum": (".spec", of_text(SPEC + SPEC_SCAN + "@A", " 1\\\n", " 1\n3 3\n")),
    "text, long blanks in a header": (".xy", of_text("# a: 1", " ", "x\n" + ROWS)),
    "text, lines of blanks": (".xy", of_text("", "# a" + " " * 900 + "x\n", ROWS)),
    "text, long blanks in a row": (".xy", of_text("10", " ", "1\n11 2\n12 3\n")),
    "text, many keys": (".xy", of_text("", "# k{}: 1\n", ROWS)),
    "text, blank lines": (".xy", of_text("", "\n", ROWS)),
    "text, alternating rows": (".xy", of_text("", "1 2\n1 2 3\n")),
    "text, alternating rows and comments": (".xy", of_text("", "1 2\n# a\n1 2 3\n# a\n")),
    "text, alternating rows and words": (".xy", of_text("", "1 2\na b\n")),
    "text, rows under comments": (".xy", of_text("1 2\n", "# a\n")),
    "text, single numbers": (".xy", of_text("", "1\n")),
    "text, a long line": (".xy", of_text("", "1 2 ")),
    "text, many commas": (".csv", of_text("1", ",", "\n1,2\n2,3\n")),
    "text, rows of commas": (".csv", of_text("", "1,,\n")),
    "text, quotes": (".csv", of_text("", '"1","2"\n')),
    "text, brackets": (".xy", of_text("# ", "q(", "\n" + ROWS)),
    "text, many pairs": (".xy", of_text("# ", 'a:"b" ', "\n" + ROWS)),
    "text, many names": (".csv", of_text("x,", "y,", "\n1,2\n2,3\n")),
}


# The same for tables of labels.
HOSTILE_LABELS: dict[str, Maker] = {
    "labels, long header": lambda n: f"file,T{' ' * (n // 2)}{'(' * (n // 2)}\na,1\n".encode(),
    "labels, many columns": lambda n: ("file" + ",a" * (n // 4) + "\na" + ",1" * (n // 4)).encode(),
    "labels, many numbered columns": lambda n: (
        "file" + number(",a{}", n // 2) + "\na" + ",1" * len(number(",a{}", n // 2).split(",")[1:])
    ).encode(),
    "labels, many columns and rows": lambda n: (
        "file" + number(",a{}", n // 2) + "\na\n" + repeat("b\n", n // 2)
    ).encode(),
    "labels, many rows": of_text("file,a,b\na,1,1\n", 'x{},"1,000",1-May-2024\n'),
    "labels, long fields": of_text("file,a\na,", "1", "x\n"),
    "labels, quotes": of_text("file,a\na,", '"', "x\n"),
}
