"""People label by keyboard in a real browser; reloads, two tabs and a killed server lose nothing."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import needs_chromium, start_chromium, webdriver
from face_sets import classes_of, make_dataset, make_model
from processes import ROOT
from selenium.webdriver.common.by import By  # after chromium has looked whether it is there
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from pipelines.curation.journal import Journal
from pipelines.curation.manifest import Manifest
from pipelines.labelpage.guessing import model_name

pytestmark = needs_chromium
PATIENCE = 60  # seconds until a busy machine has done anything
NAMES = ["Happy", "Sad", "Angry", "Surprised", "Neutral"]


class Server:
    """`scratchnet dataset label`, as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        code = "from pipelines.main import main; main()"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-u",
                "-c",
                code,
                "dataset",
                "label",
                str(folder),
                "--no-browser",
                "--labeller",
                "bo",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if address := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
                self.address = address[0]
                return
        raise AssertionError(said)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        return str(said)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(folder: Path, *options: str) -> Server:
        servers.append(Server(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: "webdriver.Chrome") -> "webdriver.Chrome":
    chromium.get("about:blank")  # a page of an earlier test asks for its server in vain
    chromium.get_log("browser")
    return chromium


class Page:
    """A tab with the label page."""

    def __init__(self, browser: "webdriver.Chrome", address: str, *, new: bool = False) -> None:
        self.browser = browser
        if new:
            browser.switch_to.new_window("tab")
        browser.get(address)
        self.handle = browser.current_window_handle
        self.wait_for_face()

    def look(self) -> None:
        self.browser.switch_to.window(self.handle)

    def until(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.browser, PATIENCE, 0.02).until(lambda _: condition())

    def text(self, name: str) -> str:
        return str(self.browser.find_element(By.ID, name).text)

    def showing(self) -> int:
        """The number of the face that can be seen; 0 while there is none."""
        script = (
            "const f = document.getElementById('face');"
            "return f.hidden || document.body.dataset.ready !== f.dataset.image || !f.complete ? '' : f.dataset.image"
        )
        name = str(self.browser.execute_script(script))
        return int(name.partition("/")[2]) if name else 0

    def wait_for_face(self, number: int | None = None) -> int:
        self.until(lambda: self.showing() == number if number else self.showing())
        return self.showing()

    def press(self, key: str) -> None:
        self.browser.find_element(By.TAG_NAME, "body").send_keys(key)

    def label(self, key: str) -> int:
        """Press a key for the face that is shown, and wait for the next; its number is returned."""
        before = self.wait_for_face()
        self.press(key)
        self.until(lambda: self.showing() not in (0, before) or self.browser.find_element(By.ID, "done").is_displayed())
        return before

    def wait_until_saved(self) -> None:
        self.until(lambda: self.text("saved") == "saved")


def check_console(browser: "webdriver.Chrome") -> None:
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_twenty_faces_are_labelled_by_keyboard(
    browser: "webdriver.Chrome", serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 22)
    server = serve(tmp_path)
    page = Page(browser, server.address)
    given = {}
    for position in range(20):
        key = "12345"[position % 5]
        given[page.label(key)] = NAMES[int(key) - 1]
    assert list(given) == list(range(1, 21))
    page.press(Keys.BACKSPACE)
    page.wait_for_face(20)
    page.press("u")
    page.wait_for_face(19)
    given[page.label("x")] = "rejected"
    page.wait_for_face(20)
    page.press(Keys.SPACE)
    page.wait_for_face(21)
    del given[20]
    page.wait_until_saved()

    browser.refresh()
    page.wait_for_face(21)
    assert page.text("overall-text") == "19 of 22 faces"
    page.press("u")  # the skip was of the tab before the reload, and is taken back too
    page.wait_for_face(20)
    page.browser.find_element(By.CSS_SELECTOR, "#classes button:nth-child(2)").click()
    page.wait_for_face(21)
    given[20] = "Sad"
    page.wait_until_saved()
    check_console(browser)

    assert "Happy" in server.stop()
    expected = {**dict.fromkeys(range(1, 23), "unlabelled"), **given}
    assert classes_of(tmp_path) == expected
    labelled = [row for row in Manifest.read(tmp_path).rows if row.class_name != "unlabelled"]
    assert {row.labeller for row in labelled} == {"bo"}
    assert all(row.labelled_at for row in labelled)


def test_what_a_model_says_on_the_page_is_recorded_with_the_label(
    browser: "webdriver.Chrome", serve: Callable[..., Server], tmp_path: Path
) -> None:
    folder, path = tmp_path / "faces", tmp_path / "tiny.safetensors"
    make_dataset(folder, ["unlabelled"] * 3)
    make_model("sad", "happy").save(path)
    server = serve(folder, "--model", str(path))
    page = Page(browser, server.address)
    page.until(lambda: page.text("guess").startswith("the model says"))
    said = page.text("guess")
    number = page.label("3")
    page.wait_until_saved()
    check_console(browser)
    server.stop()
    row = next(row for row in Manifest.read(folder).rows if row.number == number)
    assert (row.class_name, row.suggested_by) == ("Angry", model_name(path))
    assert said.startswith(f"the model says {row.suggested} ")


def test_two_tabs_share_the_work_and_a_killed_server_loses_nothing(
    browser: "webdriver.Chrome", serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 30)
    server = serve(tmp_path)
    one = Page(browser, server.address)
    two = Page(browser, server.address, new=True)
    given = {two.label("2"): "Sad", two.label("3"): "Angry"}
    one.look()
    given |= {one.label("1"): "Happy", one.label("4"): "Surprised"}
    assert len(given) == 4
    two.look()
    last = two.wait_for_face()
    two.press("u")
    two.until(lambda: two.showing() not in (0, last))
    again = two.showing()
    assert given[again] == "Angry"
    given[two.label("5")] = "Neutral"
    two.wait_until_saved()
    server.kill()
    assert len(Journal(tmp_path).records) == 6

    # labelled while no server is there: the page keeps it, and sends it to the next
    pressed = two.wait_for_face()
    two.press("1")
    two.until(lambda: "Not saved yet: 1" in two.text("banner"))
    browser.get_log("browser")  # that the server was away is no fault of the page
    again_server = serve(tmp_path)
    assert again_server.address == server.address
    two.wait_until_saved()
    given[pressed] = "Happy"
    given[two.label("2")] = "Sad"
    two.wait_until_saved()
    again_server.kill()
    assert classes_of(tmp_path) == {**dict.fromkeys(range(1, 31), "unlabelled"), **given}
    browser.close()
    one.look()


def test_a_copy_of_a_tab_is_a_tab_of_its_own(
    browser: "webdriver.Chrome", serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 20)
    server = serve(tmp_path)
    page = Page(browser, server.address)
    labelled = page.label("1")
    page.wait_until_saved()
    name = "return sessionStorage.getItem('tab')"
    first = browser.execute_script(name)
    browser.execute_script("window.open(location.href)")
    copy = next(handle for handle in browser.window_handles if handle != page.handle)
    browser.switch_to.window(copy)
    page.until(lambda: page.showing())
    assert browser.execute_script(name) != first
    page.press("u")
    page.until(lambda: page.text("toast") == "nothing to take back")
    browser.close()
    page.look()
    browser.refresh()
    page.wait_for_face()
    assert browser.execute_script(name) == first
    page.press("u")
    page.wait_for_face(labelled)
    check_console(browser)


def test_a_request_without_the_token_is_refused_by_the_running_server(
    serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 2)
    server = serve(tmp_path)
    root = server.address.rpartition("/")[0].rpartition("/")[0]
    for address in (f"{root}/", f"{root}/image/ana/1", f"{root}/{'x' * 32}/api/state?tab=a"):
        with pytest.raises(urllib.error.HTTPError, match="403") as caught:
            urllib.request.urlopen(address)
        caught.value.close()
    with urllib.request.urlopen(server.address) as answer:
        assert answer.status == 200
    second = subprocess.run(
        [sys.executable, "-c", "from pipelines.main import main; main()", "dataset", "label", str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "another scratchnet command (process " in second.stderr
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=PATIENCE)
    assert server.process.returncode == 0
    assert not (tmp_path / ".labelpage.json").exists()
