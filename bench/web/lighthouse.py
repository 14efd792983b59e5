"""Performance and accessibility of the pages by Lighthouse, which npm installs for the bench.

Lighthouse scores the wall time of the browser's tasks, which grows with the load of the machine.
The score is therefore computed a second time from the CPU time of the same tasks, of which the
limit is required.
"""

import json
import math
import os
import tempfile
from pathlib import Path

from maps import build
from tests.e2e.conftest import CHROMIUM

PACKAGE = "lighthouse@12.8.2"
PAGES = {
    "public": "/",
    "report": "/report",
    "planner": "/plan",
    "fire": "/fire",
    "data": "/data",
    "cases": "/cases",
    "field": "/field",
    "accounts": "/admin",
}
"""Those for staff are measured as they open before anybody has signed in."""

CATEGORIES = ("performance", "accessibility")
LEAST_SCORE = 95
FLAGS = (
    "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --disable-background-networking"
)
SCREENS = ("desktop", "mobile")


def measure_pages(address: str) -> None:
    """Print the scores of every page on a desktop and on a phone beside what is required."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-lighthouse-") as folder:
        script = _install(Path(folder))
        for name, path in PAGES.items():
            for screen in SCREENS:
                url, artifacts = f"{address}{path}", Path(folder) / f"{name}-{screen}"
                _run(script, url, screen, f"--gather-mode={artifacts}")
                by_wall_time = _score(script, url, screen, artifacts)
                _replace_wall_by_cpu_time(artifacts / "defaultPass.trace.json")
                scores = _score(script, url, screen, artifacts)
                figures = ", ".join(f"{scores[one]} {one}" for one in CATEGORIES)
                under_load = f"under this load {by_wall_time['performance']}"
                print(
                    f"lighthouse, {name}, {screen:<24} {figures}  (>= {LEAST_SCORE}; {under_load})",
                    flush=True,
                )


def _install(folder: Path) -> Path:
    """Install Lighthouse into a folder; return its script."""
    options = ("--prefix", folder, "--no-package-lock", "--ignore-scripts", "--no-audit")
    build.run_npm("npm install lighthouse", "install", *options, PACKAGE)
    return folder / "node_modules" / "lighthouse" / "cli" / "index.js"


def _run(script: Path, url: str, screen: str, *options: str) -> None:
    os.environ["CHROME_PATH"] = CHROMIUM
    build.run_node(
        "lighthouse",
        script,
        url,
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={FLAGS}",
        "--quiet",
        *(("--preset=desktop",) if screen == "desktop" else ()),
        *options,
    )


def _score(script: Path, url: str, screen: str, artifacts: Path) -> dict[str, int]:
    """Return the scores of a page that was gathered, 0 to 100, by category."""
    report = artifacts / "report.json"
    output = ("--output=json", f"--output-path={report}")
    _run(script, url, screen, f"--audit-mode={artifacts}", *output)
    categories = json.loads(report.read_text(encoding="utf-8"))["categories"]
    return {name: round(100 * (categories[name]["score"] or 0)) for name in CATEGORIES}


def _replace_wall_by_cpu_time(trace_file: Path) -> None:
    """Give every task of a trace its CPU time as duration, where the browser measured it."""
    trace = json.loads(trace_file.read_text(encoding="utf-8"))
    for event in trace["traceEvents"]:
        if event.get("tdur", math.inf) < event.get("dur", 0):
            event["dur"] = event["tdur"]
    trace_file.write_text(json.dumps(trace), encoding="utf-8")


if __name__ == "__main__":  # of a server that runs already
    import sys

    measure_pages(sys.argv[1])
