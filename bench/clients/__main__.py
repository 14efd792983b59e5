"""Open the served map in QGIS, and read the API with GDAL, as people do.

    ./gridatlas bench clients [--picture map.png]

The database of the installation (``gridatlas demo --no-serve``) is served. QGIS (Debian's
``python3-qgis``) draws the project ``/gridatlas.qgs`` without a screen; GDAL (``gdal-bin``) reads
all buildings through OGC API - Features. A program that is not installed is named and passed over.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from sqlalchemy import text

from bench.api.__main__ import serve
from geo import db

SYSTEM_PYTHON = "/usr/bin/python3"
MIN_COLOURS, MIN_DRAWN_SHARE = 12, 0.2
"""A map with grids, buildings, roads and names has more colours, and covers more of the picture."""

GDAL_LIMIT_S = 3.0
TIMEOUT_S = 300


def draw_in_qgis(site: str, picture: Path) -> dict[str, Any] | None:
    """Return what QGIS says of the served project, None if QGIS is not installed."""
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import qgis.core"], capture_output=True)
    if found.returncode != 0:
        return None
    with tempfile.TemporaryDirectory(prefix="gridatlas-qgis-") as folder:
        project = Path(folder) / "gridatlas.qgs"
        with urlopen(f"{site}/gridatlas.qgs", timeout=TIMEOUT_S) as response:  # noqa: S310 -- our own server
            project.write_bytes(response.read())
        environment = {"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": folder, "HOME": folder}
        script = Path(__file__).with_name("render_project.py")
        command = [SYSTEM_PYTHON, str(script), str(project), str(picture.absolute())]
        ended = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    if ended.returncode != 0 or not ended.stdout.strip():
        sys.exit(f"QGIS failed: {ended.stderr[-2000:]}")
    seen: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return seen


def check_picture(seen: dict[str, Any]) -> bool:
    """Return whether QGIS read the project and drew a map."""
    return (
        seen["is_read"]
        and bool(seen["layers"])
        and all(is_valid for _, is_valid in seen["layers"])
        and not seen["errors"]
        and seen["colours"] >= MIN_COLOURS
        and seen["drawn_share"] >= MIN_DRAWN_SHARE
    )


def read_with_gdal(site: str) -> tuple[str, float, int] | None:
    """Return GDAL's version, the seconds it takes for all buildings, and how many it read."""
    if shutil.which("ogr2ogr") is None:
        return None
    # Gridatlas keeps GDAL from loading some drivers in its own processes.
    environment = {k: value for k, value in os.environ.items() if not k.startswith("GDAL_")}
    version = subprocess.run(["ogr2ogr", "--version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="gridatlas-gdal-") as folder:
        target = Path(folder) / "building.geojsonl"
        command = ["ogr2ogr", "-f", "GeoJSONSeq", str(target), f"OAPIF:{site}/ogc", "building"]
        began = time.perf_counter()
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        seconds = time.perf_counter() - began
        if ended.returncode != 0:
            sys.exit(f"GDAL failed: {ended.stderr[-2000:]}")
        count = sum(1 for line in target.read_text("utf-8").splitlines() if line)
    return version.stdout.strip(), seconds, count


def main() -> None:
    """Run the clients; exit with 1 if one of them does not get what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, default=Path("qgis.png"))
    picture = parser.parse_args().picture
    with db.get_engine().connect() as connection:
        buildings = connection.execute(text("SELECT count(*) FROM building")).scalar_one()
    running, site = serve()
    is_good = True
    try:
        seen = draw_in_qgis(site, picture)
        if seen is None:
            print("QGIS: not installed (python3-qgis)")
        else:
            is_good &= check_picture(seen)
            print(
                f"QGIS: layers {seen['layers']}, {seen['colours']} colours (>= {MIN_COLOURS}), "
                f"{seen['drawn_share']:.0%} drawn (>= {MIN_DRAWN_SHARE:.0%}), "
                f"errors {seen['errors']}: {picture}"
            )
        read = read_with_gdal(site)
        if read is None:
            print("GDAL: not installed (gdal-bin)")
        else:
            version, seconds, count = read
            is_good &= count == buildings and seconds < GDAL_LIMIT_S
            print(
                f"{version}: {count} of {buildings} buildings in {seconds:.1f} s "
                f"(< {GDAL_LIMIT_S:.0f} s)"
            )
    finally:
        running.terminate()
        running.wait(30)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
