"""Asks for known vulnerabilities of the versions in the files given; ends with 1 if there are any.

Where the service cannot be reached, or knows none of the packages, that is said and all goes on.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def audit(pins: list[str]) -> list[dict[str, Any]]:
    """Return what pip-audit says of each pinned version; nothing where it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "pins.txt")
        asked.write_text("\n".join(pins))
        command = ["pip-audit", "--disable-pip", "--no-deps", "--format", "json", "-r", str(asked)]
        done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout.strip():
        print(done.stderr.strip().splitlines()[-1:])
        return []
    found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return [package for package in found if "skip_reason" not in package]


worst = 0
for name in sys.argv[1:]:
    lines = [line.strip() for line in Path(name).read_text().splitlines()]
    pins = [line for line in lines if line and not line.startswith("#")]
    if not audit(pins[:1]):  # one question before hundreds
        print(f"{name} is NOT audited: no word of known vulnerabilities can be had from here")
        continue
    packages = audit(pins)
    bad = [package for package in packages if package["vulns"]]
    print(f"{name}: {len(packages)} of {len(pins)} versions audited, {len(bad)} vulnerable")
    for package in bad:
        print(package["name"], package["version"], *(vuln["id"] for vuln in package["vulns"]))
        worst = 1
sys.exit(worst)
