"""The pages in a real browser: they fit the width, ask for nothing, and leave pictures behind."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import render_bodies, render_body

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH to draw pages with")

FRAME = """<!doctype html><style>body{margin:0}iframe{border:0;width:WIDTHpx;height:900px}</style>
<iframe src="page.html"></iframe><script>
onload = () => {
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.title = `wide ${root.scrollWidth} scripts ${root.querySelectorAll("script").length}`;
};
</script>"""


def long() -> dict[str, Any]:
    """A slipped night whose names and answers are longer than any screen."""
    body = bodies.slipped()
    body["results"][0]["dimension"] = "price-as-shown-to-the-customer-" * 4
    spill = bodies.example(0, input="why " * 900, output="x" * 5000, trace_id="t" * 300)
    return body | {"examples": [spill]}


PAGES = {
    "night": lambda: render_body(bodies.slipped(), bodies.nights(13, last="2026-10-07")),
    "long": lambda: render_body(long()),
    "hostile": lambda: render_body(bodies.hostile()),
    "refused": lambda: render_body(bodies.refused()),
    "board": lambda: render_bodies(
        *bodies.nights(20, "extraction", drop=6), *bodies.nights(20, "summaries")
    ),
}


def chromium(tmp_path: Path, *words: str) -> str:
    """What headless Chromium prints; it keeps its profile in the test's folder."""
    assert CHROMIUM
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
               "--no-first-run", *quiet, f"--user-data-dir={tmp_path / 'profile'}",
               *words]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_its_width(name: str, width: int, tmp_path: Path) -> None:
    """No page scrolls sideways, on a phone or on a desk, and none gains a script."""
    (tmp_path / "page.html").write_text(PAGES[name](), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), "utf-8")
    words = ("--allow-file-access-from-files", "--window-size=1400,1000", "--dump-dom")
    found = re.search(
        r"<title>wide (\d+) scripts (\d+)", chromium(tmp_path, *words, frame.as_uri())
    )
    assert found
    assert int(found[1]) <= width
    assert int(found[2]) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_drawn(scheme: str, tmp_path: Path) -> None:
    """A page becomes a picture of the size asked for, in light and in dark."""
    page, picture = tmp_path / "page.html", tmp_path / f"night-{scheme}.png"
    page.write_text(PAGES["night"](), "utf-8")
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    chromium(
        tmp_path, *dark, "--hide-scrollbars", "--window-size=1280,900",
        f"--screenshot={picture}", page.as_uri(),
    )  # fmt: skip
    image = picture.read_bytes()
    assert struct.unpack(">II", image[16:24]) == (1280, 900)
    assert len(image) > 20_000
