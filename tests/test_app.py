"""The page of `explore.py app` as a person uses it: in headless Chromium, on a small model and a folder of images."""

import base64
import csv
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from audit import noting_contacts
from browsers import chromium, needs_browser
from conftest import ROOT, assert_refused, run_here, run_stage
from imagevae.images.listing import MAX_BYTES
from imagevae.model.archive import save_model
from imagevae.model.vae import VAE

pytestmark = [pytest.mark.slow, pytest.mark.extras, needs_browser]
PATIENCE = 60  # seconds until a condition must hold


class App:
    """A server, and a browser that shows its page."""

    def __init__(self, browser: webdriver.Chrome, process: subprocess.Popen, contacts: Path):
        self.browser, self.process, self.contacts = browser, process, contacts
        assert process.stdout
        self.said = process.stdout.readline()
        self.address = self.said.split()[0]

    def open(self) -> None:
        self.browser.get(self.address)
        self.until(lambda: len(self.pictures(".samples")) == 16)

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, PATIENCE, 0.02).until(lambda _: condition())

    def find(self, selector: str) -> WebElement:
        return self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))[0]

    def pictures(self, selector: str) -> list[str]:
        """The pictures of an element, or the one that it is, as addresses that hold their bytes."""
        script = "return [...document.querySelectorAll(`${arguments[0]} img, img${arguments[0]}`)].map(i => i.src)"
        return [source for source in self.browser.execute_script(script, selector) if source]

    def changed(self, selector: str, before: list[str]) -> list[str]:
        """The pictures of an element, as soon as they are others than before."""
        return self.until(lambda: (now := self.pictures(selector)) != before and now)

    def shows(self, selector: str, expected: np.ndarray) -> None:
        """Wait until an element shows a picture, within a level: what is computed alone may round another way."""

        def is_shown() -> bool:
            shown = [pixels(source) for source in self.pictures(selector)]
            return len(shown) == 1 and np.abs(np.subtract(shown[0], expected, dtype=int)).max() <= 1

        self.until(is_shown)

    def tab(self, name: str) -> None:
        self.find(f".tab-{name.lower()}").click()

    def press(self, selector: str) -> None:
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.find(selector))
        self.find(selector).click()

    def slide(self, name: str, key: str) -> None:
        """Take a slider to one of its ends: by ten steps at a time, of which none has more than 160."""
        self.find(f".q-slider[aria-label^='{name}'] [tabindex]").send_keys(16 * key)

    def drop(self, selector: str, file: Path) -> None:
        self.find(f"{selector} input[type=file]").send_keys(str(file))

    def note(self, name: str, start: str) -> str:
        """What is said where an image is chosen, as soon as it begins with something."""
        return self.until(lambda: (said := self.find(f".{name}-note").text).startswith(start) and said)


def pixels(source: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium(browser="ALL", performance="ALL") as browser:
        yield browser


@contextmanager
def serving(browser: webdriver.Chrome, folder: Path, *flags: object) -> Iterator[App]:
    """A server whose working folder is `empty` in a folder, and its page."""
    (folder / "empty").mkdir()
    words = [sys.executable, ROOT / "stages" / "explore.py", "app", "--port", 0, *flags]
    with subprocess.Popen(
        list(map(str, words)),
        cwd=folder / "empty",
        env={**os.environ, **noting_contacts(folder / "audit")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a run in the background ignores
    ) as process:
        try:
            app = App(browser, process, folder / "audit" / "contacts")
            app.open()
            yield app
        finally:
            process.kill()


@pytest.fixture(scope="module")
def app(
    browser: webdriver.Chrome, model_file: Path, squares: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    with serving(browser, folder, "--model", model_file, "--images", squares) as app:
        yield app


def drawn(model: Path, folder: Path, *flags: object) -> list[str]:
    """What sample.py draws into a folder, as addresses that hold the bytes."""
    assert run_here("sample", "--model", model, "--output", folder, *flags).returncode == 0
    files = sorted(folder.rglob("*.png"))
    return [f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}" for file in files]


def test_samples_are_those_of_sample_py_with_the_same_settings(app: App, model_file: Path, tmp_path: Path):
    app.open()
    first = app.pictures(".samples")
    assert first == drawn(model_file, tmp_path / "first", "--count", 16)
    seed = app.find(".seed input")
    seed.send_keys(Keys.CONTROL, "a")
    seed.send_keys("7")
    other = app.changed(".samples", first)
    seed.send_keys(Keys.CONTROL, "a")
    seed.send_keys("0")
    app.until(lambda: app.pictures(".samples") == first)
    assert other != first
    app.slide("Count", Keys.PAGE_DOWN)
    app.until(lambda: app.pictures(".samples") == first[:1])
    app.slide("Temperature", Keys.PAGE_UP)
    app.slide("Guidance", Keys.PAGE_DOWN)
    strange = drawn(model_file, tmp_path / "strange", "--count", 1, "--temperature", 2, "--guidance", 0)
    app.until(lambda: app.pictures(".samples") == strange)
    app.press(".another-seed")
    app.changed(".samples", strange)


def test_a_sample_is_moved_along_axes_and_reset_takes_it_back(app: App):
    app.open()
    second = app.pictures(".samples")[1]
    app.press(".samples img:nth-of-type(2)")
    app.shows(".moved", pixels(second))
    start = app.pictures(".moved")
    app.slide("Axis 1", Keys.PAGE_UP)
    moved = app.changed(".moved", start)
    app.slide("Axis 2", Keys.PAGE_DOWN)
    app.changed(".moved", moved)
    app.press(".reset")
    app.until(lambda: app.pictures(".moved") == start)


def test_two_tabs_are_apart(app: App):
    app.open()
    one = app.browser.current_window_handle
    app.tab("Move")
    before = app.changed(".moved", [])
    app.browser.switch_to.new_window("tab")
    app.open()
    app.tab("Move")
    app.changed(".moved", [])
    app.slide("Axis 1", Keys.PAGE_UP)
    app.changed(".moved", before)
    app.browser.close()
    app.browser.switch_to.window(one)
    assert app.pictures(".moved") == before
    app.slide("Axis 2", Keys.PAGE_UP)
    app.changed(".moved", before)


def test_a_way_leads_from_one_reconstruction_to_the_other(app: App, squares: Path, model_file: Path, tmp_path: Path):
    made = tmp_path / "rebuilt"
    assert (
        run_here("explore", "reconstruct", "--model", model_file, "--images", squares, "--output", made).returncode == 0
    )
    app.open()
    app.tab("Between")
    strip = app.changed(".strip", [])
    app.drop(".end-0-upload", squares / "0003.png")
    strip = app.changed(".strip", strip)
    app.press(".end-1-folder img:nth-of-type(8)")
    app.changed(".strip", strip)
    assert app.note("end-0", "0003.png")
    assert app.note("end-1", "0007.png")
    for key, name in ((Keys.PAGE_DOWN, "0003.png"), (Keys.PAGE_UP, "0007.png")):
        app.slide("Place", key)
        app.shows(".between", cv2.imread(str(made / name)))


def test_an_image_is_shown_with_its_reconstruction_its_odds_and_its_neighbours(
    app: App, squares: Path, model_file: Path, tmp_path: Path
):
    """Of the images that are nearest to one of the folder, it is the first itself, at another size as well."""
    app.open()
    app.tab("Look")
    image = cv2.imread(str(squares / "0005.png"))
    cv2.imwrite(str(tmp_path / "large.tiff"), np.kron(image, np.ones((4, 4, 1), np.uint8)))
    app.drop(".look-upload", tmp_path / "large.tiff")
    app.note("look", "large.tiff")
    app.shows(".look-it", image)
    near = app.until(lambda: (texts := app.find(".near").text.split("\n")) and len(texts) == 8 and texts)
    assert near[0] == "0.00: 0005.png"
    distances = [float(text.split(":")[0]) for text in near]
    assert distances == sorted(distances)
    assert np.array_equal(pixels(app.pictures(".near")[0]), image)
    rebuilt = app.changed(".look-reconstruction", [])
    app.press(".look-folder img:nth-of-type(2)")
    app.changed(".look-reconstruction", rebuilt)
    odd = tmp_path / "odd"
    assert run_here("explore", "strange", "--model", model_file, "--images", squares, "--output", odd).returncode == 0
    with (odd / "strange.csv").open(newline="") as file:
        shares = {row["path"]: float(row["share"]) for row in csv.DictReader(file)}
    said = f"Of the folder's images that were held out of the training, {shares['0001.png']:.0%} are odder."
    app.until(lambda: app.find(".odds").text.startswith(said))


def test_what_is_no_image_is_said_in_one_line_and_changes_nothing(app: App, tmp_path: Path):
    app.open()
    app.tab("Move")
    before = app.changed(".moved", [])
    (tmp_path / "<b>text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    whole = cv2.imencode(".png", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    large = whole[:16] + (10**6).to_bytes(4, "big") * 2 + whole[24:]
    (tmp_path / "large.png").write_bytes(large)
    for name in ("<b>text.png", "empty.png", "half.png", "large.png"):
        app.drop(".move-upload", tmp_path / name)
        assert "\n" not in app.note("move", f"{name}: ")
    assert app.pictures(".moved") == before
    (tmp_path / "good.png").write_bytes(whole)
    app.drop(".move-upload", tmp_path / "good.png")
    app.note("move", "good.png")
    app.changed(".moved", before)


def test_the_page_and_its_server_ask_nobody_else_and_complain_of_nothing(app: App):
    """All that the tests above have done counts."""
    app.open()
    messages = [json.loads(entry["message"])["message"] for entry in app.browser.get_log("performance")]
    asked = [
        message["params"].get("request", message["params"])["url"]
        for message in messages
        if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
    ]
    own = (app.address, app.address.replace("http", "ws"), f"blob:{app.address}", "data:")
    others = [url for url in asked if not url.startswith(own)]
    assert len(asked) > 10
    assert others == []
    assert app.browser.get_log("browser") == []
    assert set(app.contacts.read_text().split()) <= {"127.0.0.1"}
    assert list((app.contacts.parents[1] / "empty").iterdir()) == []


def test_other_servers_would_be_out_of_reach(app: App):
    """Even if somebody's text came into the page as HTML."""
    app.open()
    blocked = app.browser.execute_async_script("""
      const done = arguments[0]
      document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective))
      document.body.insertAdjacentHTML("beforeend", "<img src='https://example.org/x.png'>")""")
    assert blocked == "img-src"
    app.browser.get_log("browser")  # leaves none for others


SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x" * 22 + "==",
}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/", {"Host": "localhost:1234"}, 200),
        ("/", {"Host": "[::1]"}, 200),
        ("/", {"Host": "example.org"}, 403),
        ("/", {"Host": "127.0.0.1.example.org"}, 403),
        ("/", {"Host": "["}, 403),
        ("/", {"Origin": "http://example.org"}, 403),
        ("/", {"Origin": "null"}, 403),
        ("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", SOCKET, 101),
        ("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", SOCKET | {"Origin": "http://example.org"}, 403),
        ("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", SOCKET | {"Host": "example.org"}, 403),
        ("/", {"Content-Length": str(MAX_BYTES + 2**20)}, 413),
        ("/", {"Transfer-Encoding": "chunked"}, 413),
    ],
)
def test_pages_of_other_servers_get_no_answer_and_nobody_sends_more_than_an_image(
    path: str, headers: dict[str, str], status: int, app: App
):
    """Not even where the name of another server leads to this machine."""
    connection = http.client.HTTPConnection(app.address.split("/")[2], timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status == status


def test_ctrl_c_ends_it_quietly(app: App):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/ is ready; Ctrl-C ends it\n", app.said)
    app.process.send_signal(signal.SIGINT)
    assert app.process.wait(PATIENCE) == 130
    assert app.process.stdout.read() == ""
    assert app.process.stderr.read().strip() == "explore: stopped"


def test_samples_of_a_class_are_those_of_sample_py_and_without_images_nothing_is_looked_at(
    browser: webdriver.Chrome, tmp_path: Path
):
    fitted = dict(labels="folders", classes=["cat", "dog"], densities={"flow": -1.0}, sampler="flow")
    model = VAE(size=8, network="vector", latent_dim=2, width=4, **fitted)
    model.scale.assign(1.0)
    model.flow.group(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.full(2, 0.5), np.arange(2))
    save_model(model, tmp_path / "vae.keras")
    with serving(browser, tmp_path, "--model", tmp_path / "vae.keras") as app:
        assert [tab.text for tab in browser.find_elements(By.CSS_SELECTOR, ".q-tab")] == ["Draw", "Move", "Between"]
        app.press(".label")
        app.until(lambda: [option.text for option in browser.find_elements(By.CSS_SELECTOR, ".q-menu .q-item")][2:])
        app.find(".q-menu .q-item:nth-of-type(3)").click()
        expected = drawn(tmp_path / "vae.keras", tmp_path / "dogs", "--count", 16, "--label", "dog")
        app.until(lambda: app.pictures(".samples") == expected)


def test_what_the_page_needs_leaves_every_pinned_version_alone():
    core, page = (
        set(re.findall(r"^([\w.-]+)(==[^ ;\n]+)", (ROOT / file).read_text(), flags=re.MULTILINE))
        for file in ("requirements.txt", "requirements-app.txt")
    )
    pinned = {name for name, _ in core}
    assert {"jinja2", "pydantic"} <= pinned
    assert {(name, version) for name, version in page if name in pinned} <= core


def test_what_can_not_be_served_is_refused(model_file: Path, tmp_path: Path):
    """Before a model is loaded, where that is possible."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_refused(run_here("explore", "app", "--model", model_file, "--port", port), f"--port {port}", "in use")
    assert_refused(run_here("explore", "app", "--model", model_file, "--host", "no.such.host.invalid"), "--host")
    words = ("app", "--port", 0, "--model", model_file)
    assert_refused(run_here("explore", *words, "--images", tmp_path / "none"), tmp_path / "none")


def test_a_missing_package_is_named(model_file: Path, tmp_path: Path):
    (tmp_path / "nicegui.py").write_text("raise ModuleNotFoundError('No module named nicegui')")
    result = run_stage("explore", "app", "--model", model_file, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert_refused(result, "pip install -r requirements-app.txt")
