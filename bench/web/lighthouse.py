"""Performance and accessibility of the pages by Lighthouse, which npm installs for the bench."""

import json
import os
import tempfile
from pathlib import Path

from maps import build
from tests.e2e.conftest import CHROMIUM

PACKAGE = "lighthouse@12.8.2"
PAGES = {"public": "/", "planner": "/plan", "fire": "/fire", "data": "/data", "accounts": "/admin"}
"""Those for staff are measured as they open before anybody has signed in."""

CATEGORIES = ("performance", "accessibility")
LEAST_SCORE = 95
FLAGS = (
    "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --disable-background-networking"
)
SCREENS = ("desktop", "mobile")


def measure_pages(address: str) -> None:
    """Print the scores of every page on a desk and on a phone beside what is required."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-lighthouse-") as folder:
        script = _install(Path(folder))
        for name, path in PAGES.items():
            for screen in SCREENS:
                scores = _score(script, f"{address}{path}", screen, Path(folder))
                figures = ", ".join(f"{scores[one]} {one}" for one in CATEGORIES)
                print(f"lighthouse, {name}, {screen:<24} {figures}  (>= {LEAST_SCORE})", flush=True)


def _install(folder: Path) -> Path:
    """Install Lighthouse into a folder; return its script."""
    options = ("--prefix", folder, "--no-package-lock", "--ignore-scripts", "--no-audit")
    build.run_npm("npm install lighthouse", "install", *options, PACKAGE)
    return folder / "node_modules" / "lighthouse" / "cli" / "index.js"


def _score(script: Path, url: str, screen: str, folder: Path) -> dict[str, int]:
    """Return the scores of a page, 0 to 100, by category."""
    report = folder / "report.json"
    os.environ["CHROME_PATH"] = CHROMIUM
    build.run_node(
        "lighthouse",
        script,
        url,
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={FLAGS}",
        "--output=json",
        f"--output-path={report}",
        "--quiet",
        *(("--preset=desktop",) if screen == "desktop" else ()),
    )
    categories = json.loads(report.read_text(encoding="utf-8"))["categories"]
    return {name: round(100 * categories[name]["score"]) for name in CATEGORIES}


if __name__ == "__main__":  # of a server that runs already
    import sys

    measure_pages(sys.argv[1])
