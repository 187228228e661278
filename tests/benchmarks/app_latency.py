"""How soon the page of `explore.py app` answers a slider, in headless Chromium.

    python tests/benchmarks/app_latency.py MODEL

Each key at a slider is timed until the next picture is decoded, by the browser's own clock. Prints the number of keys,
the median and the worst, in seconds.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from browsers import chromium  # noqa: E402

PAGE_UP, PAGE_DOWN, ROUNDS = 33, 34, 8
TIMED = """
const [picture, slider, key, done] = arguments
const image = document.querySelector(picture), begin = performance.now()
new MutationObserver((_, observer) => {
  observer.disconnect()
  image.decode().then(() => done((performance.now() - begin) / 1000))
}).observe(image, {attributes: true, attributeFilter: ["src"]})
document.querySelector(`.q-slider[aria-label^="${slider}"] [tabindex]`)
  .dispatchEvent(new KeyboardEvent("keydown", {keyCode: key, which: key, bubbles: true}))
"""


def measure(browser: webdriver.Chrome, picture: str, sliders: list[str]) -> str:
    """Press a key at each of some sliders, back and forth, and report how long a picture takes."""
    WebDriverWait(browser, 60).until(lambda _: browser.find_elements(By.CSS_SELECTOR, f"{picture}[src]"))
    keys = [(slider, key) for key in (PAGE_UP, PAGE_DOWN) * (ROUNDS // 2) for slider in sliders]
    browser.execute_async_script(TIMED, picture, *keys[0])  # may compile something
    taken = [browser.execute_async_script(TIMED, picture, *key) for key in keys[1:]]
    return f"{len(taken)} keys, median {np.median(taken):.3f} s, worst {max(taken):.3f} s"


def main(model: Path) -> None:
    command = [sys.executable, str(ROOT / "stages" / "explore.py"), "app", "--model", str(model), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            address = server.stdout.readline().split()[0]
            with chromium() as browser:
                browser.set_script_timeout(60)
                browser.get(address)
                samples = (By.CSS_SELECTOR, ".samples img")
                WebDriverWait(browser, 60).until(lambda _: browser.find_elements(*samples))
                for tab, picture, sliders in (
                    ("move", ".moved", [f"Axis {number}" for number in range(1, 9)]),
                    ("between", ".between", ["Place"]),
                ):
                    browser.find_element(By.CSS_SELECTOR, f".tab-{tab}").click()
                    print(f"{tab}: {measure(browser, picture, sliders)}")
        finally:
            server.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
