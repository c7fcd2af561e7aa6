"""A report in a real browser: offline, on a desk, on a phone, by keyboard, and on paper."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import needs_chromium, start_chromium, webdriver

from pipelines.report.compose import write_report

pytestmark = needs_chromium
DESK, PHONE = (1280, 900), (390, 844)
PAPER = (688, 1000)  # A4 without margins, at 96 pixels per inch


@pytest.fixture(scope="module")
def page(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([made["scratch"], made["folds"]], tmp_path_factory.mktemp("shown") / "report.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["webdriver.Chrome"]:
    driver = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


def show(browser: "webdriver.Chrome", page: Path, size: tuple[int, int]) -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for log in ("browser", "performance"):
        browser.get_log(log)  # what was before
    browser.get(page.as_uri())


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_opens_without_network_errors_or_anything_cut_off(
    browser: "webdriver.Chrome", page: Path, size: tuple[int, int]
) -> None:
    show(browser, page, size)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    images: list[dict[str, Any]] = browser.execute_script(
        "return [...document.images].map(i => ({done: i.complete, width: i.naturalWidth, alt: i.alt,"
        " left: i.parentElement.getBoundingClientRect().left, right: i.parentElement.getBoundingClientRect().right}))"
    )
    assert len(images) > 20
    for image in images:
        assert image["done"], image["alt"]
        assert image["width"] > 0, image["alt"]
        assert image["alt"]
        assert 0 <= image["left"] < image["right"] <= size[0]
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = {event["params"]["request"]["url"] for event in asked if event["method"] == "Network.requestWillBeSent"}
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data"}
    assert any(address == page.as_uri() for address in addresses), "requests are seen at all"


def test_what_is_wider_than_a_phone_is_scrolled_in_its_own_frame(browser: "webdriver.Chrome", page: Path) -> None:
    show(browser, page, PHONE)
    frames: list[tuple[str, bool, bool]] = browser.execute_script(
        "return [...document.querySelectorAll('.scroll, .canvas, pre')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => [e.className, e.tabIndex === 0, getComputedStyle(e).overflowX === 'auto'])"
    )
    assert len(frames) > 3
    assert all(reachable and scrolled for _, reachable, scrolled in frames), "by keyboard too"


def test_the_keyboard_leads_to_a_section(browser: "webdriver.Chrome", page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, page, DESK)
    body = browser.find_element("tag name", "body")
    for _ in range(3):  # the way past the contents, and the first two of these
        body.send_keys(Keys.TAB)
        body = browser.switch_to.active_element
    assert body.text == "Data"
    body.send_keys(Keys.ENTER)
    assert browser.execute_script("return location.hash") == "#data"
    until = "return Math.abs(document.getElementById('data').getBoundingClientRect().top) < 60"
    assert any(browser.execute_script(until) for _ in range(200)), "the page scrolls there"


def test_text_and_ground_have_contrast(browser: "webdriver.Chrome", page: Path) -> None:
    show(browser, page, DESK)
    colours: list[tuple[str, str]] = browser.execute_script(
        "const ground = e => { const c = getComputedStyle(e).backgroundColor;"
        " return c !== 'rgba(0, 0, 0, 0)' || !e.parentElement ? c : ground(e.parentElement); };"
        "return [...document.querySelectorAll('p, dt, dd, td, th, figcaption, a, code, h1, h2, h3, h4, span')]"
        ".map(e => [getComputedStyle(e).color, ground(e)])"
    )
    for pair in set(map(tuple, colours)):
        lights = sorted(luminance(colour) for colour in pair)
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, pair  # WCAG 2.2, 1.4.3


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    red, green, blue = (int(value) / 255 for value in re.findall(r"\d+", colour)[:3])
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_on_paper_figures_are_whole(browser: "webdriver.Chrome", page: Path) -> None:
    show(browser, page, PAPER)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        tall: list[tuple[float, float, str]] = browser.execute_script(
            "return [...document.querySelectorAll('figure:not(.table)')].map(f => [f.getBoundingClientRect().height,"
            " f.getBoundingClientRect().right, getComputedStyle(f).breakInside])"
        )
        assert all(height < PAPER[1] and right <= PAPER[0] + 1 and rule == "avoid" for height, right, rule in tall)
        assert not browser.find_element("tag name", "nav").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 5
