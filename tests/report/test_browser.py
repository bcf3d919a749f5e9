"""The page in a real browser, at the width of a desk and of a telephone."""

import json
import re
import shutil
import subprocess

import pytest

from tests.processes import HANGING

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1200, 400)
PROBE = """<!doctype html><title>probe</title><body><script>
const page = {page};
const found = [];
for (const width of {widths}) {{
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.srcdoc = page;
  frame.onload = () => {{
    const inner = frame.contentDocument;
    found.push({{
      width, scroll: inner.documentElement.scrollWidth,
      images: [...inner.images].map(i => [i.complete, i.naturalWidth, i.clientWidth]),
      heading: inner.querySelector("h1").textContent,
    }});
    if (found.length == {widths}.length)
      document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>";
  }};
  document.body.append(frame);
}}
</script>"""


def browse(path, profile, *flags):
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", "--enable-logging=stderr", *flags,
             path.as_uri()]  # fmt: skip
    return subprocess.run(words, capture_output=True, text=True, timeout=HANGING, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")
@pytest.mark.parametrize(("report", "figures"), [("out", 8), ("mixed", 10)])
def test_page_in_a_browser(report, figures, tmp_path, request):
    probe = tmp_path / "probe.html"
    text = (request.getfixturevalue(report) / "index.html").read_text()
    probe.write_text(PROBE.format(page=json.dumps(text), widths=list(WIDTHS)))
    ran = browse(probe, tmp_path / "profile", "--dump-dom", "--virtual-time-budget=10000")
    assert "CONSOLE" not in ran.stderr
    found = json.loads(re.search(r"<pre>(.*?)</pre>", ran.stdout, re.S)[1])
    assert sorted(one["width"] for one in found) == sorted(WIDTHS)
    for one in found:
        assert one["heading"] == "W against QCD jets"
        assert one["scroll"] <= one["width"]
        assert len(one["images"]) == figures
        assert all(whole and natural > 900 for whole, natural, _ in one["images"])
        assert all(shown > 250 for _, _, shown in one["images"])
