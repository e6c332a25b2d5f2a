"""Content of vendor files: packed, and read by the one reader that knows it."""

import io
import zipfile
from pathlib import Path

from xrdae.readers import brml, bruker_raw, pdcif, rasx, rigaku_raw, xrdml
from xrdae.readers.data_file import DataFile

READERS = (brml, bruker_raw, pdcif, rasx, rigaku_raw, xrdml)


def read_content(content, name="a.dat"):
    file = DataFile(Path(name), content if isinstance(content, bytes) else content.encode())
    (reader,) = (reader for reader in READERS if reader.is_mine(file))
    return reader.read_scans(file)


def pack_archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return stream.getvalue()


def make_conditions(axis="TwoThetaTheta", unit="counts", axes=""):
    return (
        f"<MeasurementConditions><ScanInformation><AxisName>{axis}</AxisName>"
        f"<IntensityUnit>{unit}</IntensityUnit><Speed>2</Speed><Step>0.1</Step>"
        f"<SpeedUnit>deg/min</SpeedUnit></ScanInformation><Axes>{axes}</Axes>"
        "</MeasurementConditions>"
    )


def make_rasx(*profiles, **settings):
    members = {}
    for i, profile in enumerate(profiles):
        members[f"Data{i}/Profile{i}.txt"] = "\ufeff" + profile
        members[f"Data{i}/MesurementConditions{i}.xml"] = make_conditions(**settings)
    return pack_archive(**members)
