"""The ID browser opened, pointed at, typed into and clicked in a real headless browser."""

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.quantizer.browser import write_page

HOSTILE = '<img src=x onerror="document.title=1">'
GRIDS = ((4, 5), (3, 3))
CELL = "#grid .cell[data-code='{}']"


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Twelve POIs: nine bars in <A_0,1> from west to east, two cafes and one with a hostile name in <A_3,4>."""
    codes = np.array([[1, n] for n in range(9)] + [[19, 0], [19, 8], [19, 4]], np.int32)
    frame = pl.DataFrame(
        {
            "poi_id": [f"p{n}" for n in range(11)] + [HOSTILE],
            "category": ["Bar"] * 9 + ["Cafe"] * 2 + [HOSTILE],
            "latitude": [40.70] * 9 + [40.75] * 3,
            "longitude": [-74 + 0.01 * n for n in range(9)] + [-74.0, -73.96, -73.92],
        }
    )
    path = tmp_path_factory.mktemp("page") / "ids.html"
    write_page(path, SemanticIds(codes, GRIDS, "none"), frame)
    return path


@pytest.fixture
def opened(browser, city):
    browser.get_log("browser")
    browser.get(city.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    yield browser
    said = [line for line in browser.get_log("browser") if "getImageData" not in line["message"]]  # that is us
    assert said == []  # no error, no refused resource
    assert browser.title == "Semantic IDs"  # nothing of a name was run


def one(driver, selector):
    return driver.find_element("css selector", selector)


def texts(driver, selector):
    return [node.text for node in driver.find_elements("css selector", selector)]


def point_at(driver, node, dx=0, dy=0):
    from selenium.webdriver import ActionChains

    ActionChains(driver).move_to_element_with_offset(node, dx, dy).perform()


def on_the_map(driver):
    """Colours of the map that are neither grey nor transparent: what is highlighted."""
    return driver.execute_script(
        """const c = document.getElementById("map"), p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let found = 0;
        for (let i = 0; i < p.length; i += 4)
          if (p[i + 3] > 200 && Math.max(p[i], p[i + 1], p[i + 2]) - Math.min(p[i], p[i + 1], p[i + 2]) > 60) found++;
        return found"""
    )


def test_the_whole_city_at_first(opened):
    assert one(opened, "#details-title").text == "All places"
    assert len(opened.find_elements("css selector", "#grid .cell")) == 20
    assert texts(opened, "#bars button span:first-child") == ["Bar", "Cafe", HOSTILE]
    assert "12 places" in one(opened, "#summary").text
    assert on_the_map(opened) > 50


def test_pointing_at_a_cell_shows_its_pois_categories_and_places(opened):
    point_at(opened, one(opened, CELL.format(19)))
    assert one(opened, "#details-title").text == "<A_3,4>"
    assert texts(opened, "#bars button span:first-child") == ["Cafe", HOSTILE]
    assert one(opened, "#bars button span:last-child").text == "2 · 67 %"
    listed = texts(opened, "#places button")
    assert len(listed) == 3
    assert "<A_3,4><B_2,2>" in listed[1]
    few = on_the_map(opened)
    point_at(opened, one(opened, CELL.format(1)))
    assert one(opened, "#details-title").text == "<A_0,1>"
    assert len(texts(opened, "#places button")) == 9
    assert on_the_map(opened) > few > 0
    point_at(opened, one(opened, "h1"))  # away from the grid: the whole city again
    assert one(opened, "#details-title").text == "All places"


def test_a_click_keeps_a_cell_and_opens_the_level_below(opened):
    one(opened, CELL.format(19)).click()
    point_at(opened, one(opened, "h1"))
    assert one(opened, "#details-title").text == "<A_3,4>"
    assert one(opened, "#below-title").text == "Level 2 below it: 3 of 9 cells used"
    one(opened, "#subgrid .cell[data-code='4']").click()
    assert one(opened, "#details-title").text == "<A_3,4><B_1,1>"
    assert texts(opened, "#path button") == ["All places", "<A_3,4>"]
    opened.find_elements("css selector", "#path button")[1].click()
    assert one(opened, "#details-title").text == "<A_3,4>"
    one(opened, CELL.format(19)).click()  # again: lets it go
    assert one(opened, "#details-title").text == "All places"


def test_the_keyboard_walks_over_the_grid(opened):
    from selenium.webdriver import ActionChains, Keys

    first = one(opened, "#grid .cell[tabindex='0']")
    assert first.get_attribute("aria-label") == "<A_0,1>: 9 places, most of them Bar"
    one(opened, "#search").click()
    ActionChains(opened).send_keys(Keys.TAB).perform()
    assert opened.switch_to.active_element == first
    assert one(opened, "#details-title").text == "<A_0,1>"
    ActionChains(opened).send_keys(Keys.END).perform()
    assert one(opened, "#details-title").text == "<A_3,4>"
    ActionChains(opened).send_keys(Keys.ARROW_UP, Keys.ARROW_RIGHT).perform()  # the edge: it stays
    assert opened.switch_to.active_element.get_attribute("data-code") == "14"
    ActionChains(opened).send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ENTER).perform()
    ActionChains(opened).send_keys(Keys.TAB).perform()
    assert one(opened, "#details-title").text == "<A_0,1>"
    ActionChains(opened).send_keys(Keys.ESCAPE).perform()
    point_at(opened, one(opened, "h1"))
    assert one(opened, "#path").text.startswith("Point at")


@pytest.mark.parametrize(
    ("words", "offers", "title"),
    [
        ("caf", "Cafe\n2 places", "Cafe"),
        ("A_3,4", "<A_3,4>\n3 places", "<A_3,4>"),
        ("<a_0,1><b_0,2>", "<A_0,1><B_0,2>\n1 place", "<A_0,1><B_0,2>"),
        ("p10", "p10\n<A_3,4><B_2,2>", "<A_3,4><B_2,2>"),
        ("onerror", f"{HOSTILE}\n1 place", HOSTILE),
    ],
)
def test_search_by_category_id_and_poi(opened, words, offers, title):
    from selenium.webdriver import Keys

    box = one(opened, "#search")
    box.send_keys(words)
    assert texts(opened, "#found li")[0] == offers
    box.send_keys(Keys.ARROW_DOWN)
    assert one(opened, "#found [aria-selected='true']").get_attribute("id") == box.get_attribute(
        "aria-activedescendant"
    )
    box.send_keys(Keys.ENTER)
    assert one(opened, "#details-title").text == title
    assert not one(opened, "#found").is_displayed()


def test_three_levels_hexagons_and_a_folded_line(browser, tmp_path):
    draw = np.random.default_rng(0)
    grids = ((3, 4), (2, 2), (1, 30))
    codes = np.column_stack([draw.integers(0, h * w, 80) for h, w in grids]).astype(np.int32)
    frame = pl.DataFrame(
        {
            "poi_id": [str(n) for n in range(80)],
            "category": [f"kind {n % 12}" for n in range(80)],
            "latitude": draw.random(80),
            "longitude": draw.random(80),
        }
    )
    write_page(tmp_path / "ids.html", SemanticIds(codes, grids, "suffix"), frame, "hexagonal")
    browser.get_log("browser")
    browser.get((tmp_path / "ids.html").as_uri())
    left = "return document.querySelector(arguments[0]).getBoundingClientRect().left"
    half = one(browser, CELL.format(0)).size["width"] / 2
    shift = browser.execute_script(left, CELL.format(4)) - browser.execute_script(left, CELL.format(0))
    assert shift == pytest.approx(half, abs=1.5)  # the second row stands half a cell to the right
    row, column = divmod(codes[0, 0], 4)
    one(browser, CELL.format(codes[0, 0])).click()
    one(browser, f"#subgrid .cell[data-code='{codes[0, 1]}']").click()
    assert len(browser.find_elements("css selector", "#subgrid [role='row']")) == 5  # 30 cells in rows of six
    one(browser, f"#subgrid .cell[data-code='{codes[0, 2]}']").click()
    assert one(browser, "#details-title").text.startswith(f"<A_{row},{column}><B_")
    assert len(texts(browser, "#path button")) == 3
    assert browser.get_log("browser") == []


def test_nothing_is_found_and_nothing_breaks(opened):
    from selenium.webdriver import Keys

    one(opened, "#search").send_keys("no such thing", Keys.ENTER)
    assert texts(opened, "#found li") == ["Nothing of that name"]
    assert one(opened, "#details-title").text == "All places"


def test_a_category_shows_the_cells_it_lies_in(opened):
    opened.find_elements("css selector", "#bars button")[0].click()
    point_at(opened, one(opened, "h1"))
    assert one(opened, "#details-title").text == "Bar"
    assert texts(opened, "#bars button span:first-child") == ["<A_0,1>"]
    width = "return parseFloat(getComputedStyle(document.querySelector(arguments[0]), '::after').width)"
    assert opened.execute_script(width, CELL.format(1)) > opened.execute_script(width, CELL.format(19)) == 0


def test_pointing_at_the_map_names_the_poi(opened):
    canvas = one(opened, "#map")
    side = canvas.size["width"]
    # p0 .. p8 lie on one parallel over the whole width of the city, which is 1/1.08 of the map's.
    reach = 0.08 * np.cos(np.deg2rad(40.7 + 0.05 / 4))
    per_degree = side / (2 * 0.54 * reach)
    point_at(opened, canvas, dx=round(-reach / 2 * per_degree), dy=round(0.025 * per_degree))
    assert one(opened, "#tip").text == "<A_0,1><B_0,0> Bar"
    assert "on" in one(opened, CELL.format(1)).get_attribute("class").split()
    canvas_click = round(reach / 2 * per_degree)
    point_at(opened, canvas, dx=canvas_click, dy=round(0.025 * per_degree))
    assert one(opened, "#tip").text == "<A_0,1><B_2,2> Bar"
    one(opened, "#closer").click()
    one(opened, "#whole").click()
    point_at(opened, one(opened, "h1"))
    assert not one(opened, "#tip").is_displayed()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1400])
def test_fits_any_screen_in_light_and_dark(opened, width, dark):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") != dark
        assert on_the_map(opened) > 20
        assert len(opened.print_page()) > 10_000
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
