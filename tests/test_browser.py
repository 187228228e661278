"""The report of a run in headless Chromium, offline: on a phone, a tablet and a desk, by day and by night."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from browsers import chromium, needs_browser
from conftest import Project

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium(browser="ALL") as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        yield driver


@pytest.fixture
def page(browser: webdriver.Chrome, reproduced: Project, tmp_path: Path) -> webdriver.Chrome:
    """The report alone in a folder, open."""
    shutil.copy(reproduced.folder / "metrics" / "report.html", tmp_path / "report.html")
    browser.get(f"file://{tmp_path}/report.html")
    return browser


def show(page: webdriver.Chrome, width: int, scheme: str) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_every_picture_is_shown_without_requests_or_complaints(page: webdriver.Chrome):
    widths = page.execute_script("return [...document.images].map(image => image.complete && image.naturalWidth)")
    assert len(widths) >= 4
    assert all(widths)
    requested = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requested if not name.startswith("data:")] == []
    assert page.get_log("browser") == []
    curves = page.execute_script("return [...document.querySelectorAll('svg.chart')].map(c => c.clientHeight)")
    assert len(curves) >= 4
    assert min(curves) > 100


def test_scripts_and_pictures_from_elsewhere_would_be_blocked(page: webdriver.Chrome):
    """Even if somebody's text came into the page as HTML."""
    blocked = page.execute_async_script("""
      const done = arguments[0], found = []
      document.addEventListener("securitypolicyviolation", event => {
        found.push(event.effectiveDirective)
        if (new Set(found).size == 4) done([...new Set(found)].sort())
      })
      const add = html => document.body.insertAdjacentHTML("beforeend", html)
      add("<p onclick='window.hacked = 1' style='color: red'>text</p>")
      add("<img src='https://example.org/x.png' onerror='window.hacked = 1'>")
      document.querySelector("p[onclick]").click()
      document.body.append(Object.assign(document.createElement("script"), {textContent: "window.hacked = 1"}))""")
    assert blocked == ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert page.execute_script("return window.hacked === undefined")
    page.get_log("browser")  # leaves none for others


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_fits_the_screen(page: webdriver.Chrome, width: int, scheme: str):
    show(page, width, scheme)
    assert page.execute_script("return document.documentElement.scrollWidth") == width
    beyond = """
      const right = element => element.getBoundingClientRect().right
      return [...document.querySelectorAll("main *")].filter(e => right(e) > innerWidth + 0.5).map(e => e.outerHTML)"""
    assert page.execute_script(beyond) == []
    colours = page.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    ink, paper = (sum(map(int, colour.strip("rgba()").split(",")[:3])) for colour in colours)
    assert (ink < paper) == (scheme == "light")
