"""The map page in a real browser: what is drawn is what was answered, nothing is loaded, hostile text stays text."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from refinepoi.recommend.catalogue import Catalogue
from refinepoi.recommend.page import write_page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
HOSTILE = '</script><script>window.stolen=1</script><img src=x onerror="window.stolen=1">'


def place(rank: int, latitude: float, longitude: float, **changes: Any) -> dict[str, Any]:
    return {
        "rank": rank, "poi_id": f"p{rank}", "name": None, "category": "Bar", "latitude": latitude,
        "longitude": longitude, "km": 0.4 * rank, "probability": 0.4 / rank, "semantic_id": "<A_0,0>",
    } | changes  # fmt: skip


def visit(hour: int, latitude: float, longitude: float) -> dict[str, Any]:
    where = {"latitude": latitude, "longitude": longitude, "time": f"2024-02-01T{hour:02d}:00:00-05:00"}
    return {"poi_id": f"v{hour}", "name": None, "category": "Gym", "matched_km": 0.0, **where}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ann's ten places of which three share a spot, after twenty visits; Bob's, who is new; hostile names."""
    spots = [(40.01, -75.0)] * 3 + [(40 + 0.004 * n, -75 + 0.003 * n) for n in range(7)]
    ann = {
        "user": "ann", "trip": None, "when": "2024-02-01T21:30:00-05:00", "reasoning": "Gym first.",
        "history": [visit(n, 40 + 0.001 * n, -75.01) for n in range(20)],
        "places": [place(n, *spot) for n, spot in enumerate(spots, start=1)],
    }  # fmt: skip
    bob = {
        "user": HOSTILE, "trip": HOSTILE, "when": "2024-02-02T08:00:00-05:00", "reasoning": HOSTILE, "history": [],
        "places": [place(1, 40.0, -75.0, name=HOSTILE, category=HOSTILE, km=None)],
    }  # fmt: skip
    pois = pl.DataFrame({
        "poi_id": ["a", "b"], "category": ["Bar", "Gym"], "latitude": [40.0, 40.02], "longitude": [-75.0, -75.02],
    })  # fmt: skip
    file = tmp_path_factory.mktemp("page") / "recommendations.html"
    write_page(file, {"facts": {}, "answers": [ann, bob]}, Catalogue(pois))
    return file


def opened(browser: Any, page: Path, width: int = 1366, height: int = 900, scheme: str = "light") -> Any:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


def js(browser: Any, code: str) -> Any:
    return browser.execute_script(f"return {code}")


BOXES = "[...document.querySelectorAll('{}')].map(e => e.getBoundingClientRect().toJSON())"


def test_nothing_is_loaded_and_nothing_complains(browser: Any, page: Path) -> None:
    opened(browser, page)
    assert [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
    assert js(browser, "performance.getEntriesByType('resource').length") == 0
    assert not re.search(r"(src|href)=[\"']?https?:", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("width", "height"), [(1366, 900), (400, 850)])
def test_all_places_are_on_the_map_apart_and_in_the_list(browser: Any, page: Path, width: int, height: int) -> None:
    opened(browser, page, width, height)
    frame = js(browser, "document.getElementById('map').getBoundingClientRect().toJSON()")
    circles = js(browser, BOXES.format(".place circle"))
    assert len(circles) == 10 == js(browser, "document.querySelectorAll('#list li').length")
    for one in circles:
        assert frame["left"] <= one["left"] and one["right"] <= frame["right"]
        assert frame["top"] <= one["top"] and one["bottom"] <= frame["bottom"]
    middles = [((c["left"] + c["right"]) / 2, (c["top"] + c["bottom"]) / 2) for c in circles]
    nearest = min(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5 for n, a in enumerate(middles) for b in middles[:n])
    assert nearest > 26  # the circles are 28 wide
    assert js(browser, "document.documentElement.scrollWidth <= window.innerWidth")
    assert js(browser, "document.querySelectorAll('.visit').length") == 12  # the last ones
    assert js(browser, "document.getElementById('reasoning').textContent") == "Gym first."


def test_pointing_in_the_list_shows_the_place_on_the_map(browser: Any, page: Path) -> None:
    opened(browser, page)
    webdriver.ActionChains(browser).move_to_element(browser.find_elements("css selector", "#list li")[3]).perform()
    assert js(browser, "document.querySelector('.place.on text').textContent") == "4"
    tip = js(browser, "document.getElementById('tip').innerText").splitlines()
    assert tip == ["p4", "Bar", "1.6 km from the last place", "10 %"]


def test_zooming_moves_places_apart_and_back(browser: Any, page: Path) -> None:
    opened(browser, page)
    spread = "document.getElementById('places').getBoundingClientRect().height"
    before, bar = js(browser, spread), js(browser, "document.getElementById('length').textContent")
    browser.execute_script("document.getElementById('closer').click(); document.getElementById('closer').click()")
    assert js(browser, spread) > 2 * before and js(browser, "document.getElementById('length').textContent") != bar
    browser.execute_script("document.getElementById('whole').click()")
    assert js(browser, spread) == pytest.approx(before, abs=1)


def test_hostile_text_stays_text_and_a_new_person_is_drawn(browser: Any, page: Path) -> None:
    opened(browser, page)
    browser.execute_script("document.getElementById('after').click()")
    assert js(browser, "window.stolen") is None and js(browser, "document.images.length") == 0
    assert HOSTILE in js(browser, "document.querySelector('#list .what').textContent")
    assert js(browser, "document.getElementById('reasoning').textContent") == HOSTILE
    assert js(browser, "document.querySelectorAll('.place').length") == 1
    assert js(browser, "document.getElementById('after').disabled")


def test_colours_follow_the_theme(browser: Any, page: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    assert js(opened(browser, page, scheme="light"), colour) == "rgb(255, 255, 255)"
    assert js(opened(browser, page, scheme="dark"), colour) == "rgb(15, 17, 21)"


def test_the_data_of_the_page_is_the_answer(page: Path) -> None:
    data = re.search(
        r'<script id="data" type="application/json">(.*?)</script>', page.read_text(encoding="utf-8"), re.S
    )
    assert data is not None
    told = json.loads(data[1])
    assert [answer["user"] for answer in told["answers"]] == ["ann", HOSTILE]
    assert told["ground"] == {"latitude": [40.0, 40.02], "longitude": [-75.0, -75.02]}
