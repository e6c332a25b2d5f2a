"""Prints licences.md, of what pip-licenses says of the core alone (1) and with all extras (2).

Ends with 1 where something that the core needs is under a licence of the GNU GPL's kind.
"""

import json
import re
import sys
from pathlib import Path

HEAD = """\
# Licences of what xrdae asks for

As the packages state them: the core, and the extras that need no host. The core needs nothing under
the GPL, the LGPL or the AGPL. `.ci/lock` makes this table.

| package | version | licence | needed by |
|---|---|---|---|"""

core, packages = (json.loads(Path(name).read_text()) for name in sys.argv[1:])
names = {package["Name"] for package in core}
print(HEAD)
for package in sorted(packages, key=lambda package: package["Name"].lower()):
    name, version, licence = package["Name"], package["Version"], package["License"]
    if name != "xrdae":
        needed = "core" if name in names else "an extra"
        print(f"| {name} | {version.split('+')[0]} | {licence} | {needed} |")
refused = [p["Name"] for p in core if re.search("GPL|General Public", p["License"])]
if refused:
    sys.exit(f"the core needs what is under the GPL or its kind: {', '.join(refused)}")
