"""The page in a real browser: nothing complains, tables sort and filter, colours follow, hostile text stays text."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from refinepoi.report.page import in_script
from refinepoi.report.spec import ReportSpec
from refinepoi.report.write import PAGE, write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
RANK, SOFT = "reward.weights.rank", "reward.weights.soft"
HOSTILE = '</script><script>window.stolen=1</script><img src=x onerror="window.stolen=1">'


@pytest.fixture(scope="module")
def page(maker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs of three configurations, one failed, one of another protocol; text that wants to be markup."""
    root = tmp_path_factory.mktemp("compared")
    make_run = maker(root / "runs")
    for n, (rank, seed) in enumerate([(1.0, 0), (1.0, 1), (4.0, 0), (4.0, 1), (12.0, 0), (12.0, 1)]):
        quality = 0.25 + 0.05 * n
        make_run(
            f"{n}", quality, n, overrides=(f"note={HOSTILE}",), method="count<b>ers", **{RANK: rank, "grpo.seed": seed}
        )
    make_run("6", error=f"RuntimeError: {HOSTILE}", **{RANK: 20.0})
    make_run("7", protocol={"history": "train_prefix"}, **{"model.hidden": HOSTILE})
    out = root / "out"
    out.mkdir()
    spec = ReportSpec(
        runs=(str(root / "runs"),), reference=None, metric="MRR", resamples=400, confidence=0.95, unit="sample",
        seed=0, formats=("html", "markdown", "latex", "csv"),
    )  # fmt: skip
    write_report(out, spec)
    return out / PAGE


def opened(browser: Any, page: Path, width: int = 1366, height: int = 900, **media: str) -> Any:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def shown(browser: Any, table: str = "ranking", column: int = 0) -> list[str]:
    """Text of a column in the rows that can be seen, of the first such table that can."""
    return browser.execute_script(
        """const t = [...document.querySelectorAll(`table[data-table="${arguments[0]}"]`)].find(t => t.offsetParent);
        return [...t.querySelectorAll("tbody tr")].filter(r => r.offsetParent)
          .map(r => (r.cells[arguments[1]].firstChild?.textContent ?? "").trim())""",
        table,
        column,
    )


def press(browser: Any, table: str, title: str) -> str:
    """Press a head of the first visible table. Returns its aria-sort."""
    return browser.execute_script(
        """const t = [...document.querySelectorAll(`table[data-table="${arguments[0]}"]`)].find(t => t.offsetParent);
        const head = [...t.tHead.rows[0].cells].find(h => h.textContent.trim().startsWith(arguments[1]));
        head.querySelector("button").click(); return head.getAttribute("aria-sort")""",
        table,
        title,
    )


def complaints(browser: Any) -> list[Any]:
    return [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_everything_is_inside_and_nothing_complains(browser: Any, page: Path) -> None:
    opened(browser, page)
    assert complaints(browser) == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?https?:", text)
    broken = "return [...document.images].filter(i => i.src && !(i.complete && i.naturalWidth)).length"
    assert browser.execute_script(broken) == 0


def test_hostile_text_stays_text(browser: Any, page: Path) -> None:
    opened(browser, page)
    assert browser.execute_script("return window.stolen") is None
    assert browser.execute_script("return document.querySelectorAll('img[src=x], td b, th b').length") == 0
    body = find(browser, "body").get_attribute("textContent")
    assert f"RuntimeError: {HOSTILE}" in body and "count<b>ers" in body
    assert complaints(browser) == []


def test_json_cannot_leave_its_element() -> None:
    text = in_script({"a": "</script><!--&\u2028"})
    assert not set("<>&\u2028") & set(text)


def test_sorting(browser: Any, page: Path) -> None:
    opened(browser, page)
    assert shown(browser)[:3] == ["3", "2", "1"], "best on validation first"
    assert press(browser, "ranking", "reward.weights.rank") == "descending"
    assert shown(browser, column=1)[:3] == ["12", "4", "1"], "by number, not by text"
    assert press(browser, "ranking", "reward.weights.rank") == "ascending"
    assert shown(browser, column=1)[:3] == ["1", "4", "12"]
    assert shown(browser)[3:] == ["count<b>ers"], "counters stay below"
    press(browser, "ranking", "configuration")
    assert shown(browser)[:3] == ["1", "2", "3"]
    assert browser.execute_script("return document.querySelectorAll('#content [aria-sort]').length") == 1


def test_filters_reach_tables_and_figures(browser: Any, page: Path) -> None:
    opened(browser, page)
    find(browser, "#filter").send_keys("0.65 grpo.seed=1")
    find(browser, "#filter").clear()
    find(browser, "#filter").send_keys("rank=12.0")
    assert shown(browser) == ["3", "count<b>ers"]
    wires = """return [...document.querySelectorAll('[data-metric]:not([hidden]) path.wire')]
        .filter(wire => wire.getBoundingClientRect().width).length"""
    assert browser.execute_script(wires) == 1
    assert "1 of 4" in find(browser, "#count").text
    find(browser, "#reset").click()
    assert shown(browser)[:3] == ["3", "2", "1"] and browser.execute_script(wires) == 3
    browser.execute_script(
        "const c = document.querySelector('.choice'); c.value = '4'; c.dispatchEvent(new Event('change'))"
    )
    assert shown(browser) == ["2", "count<b>ers"]
    find(browser, '[data-metric]:not([hidden]) .pick[data-value="1"]').send_keys(webdriver.Keys.ENTER)
    assert shown(browser) == ["1", "count<b>ers"]
    assert complaints(browser) == []


def test_metric_and_reference(browser: Any, page: Path) -> None:
    opened(browser, page)
    before = shown(browser, column=3)
    script = (
        "const s = document.querySelector(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, "#metric", "Acc@1")
    assert shown(browser, column=3) != before
    browser.execute_script(script, "#metric", "MRR")
    assert shown(browser, column=3) == before
    gains = dict(zip(shown(browser), shown(browser, column=6), strict=True))
    assert gains["1"] == "reference" and gains["3"].startswith("+")
    browser.execute_script(script, "select.reference", "3")
    turned = dict(zip(shown(browser), shown(browser, column=6), strict=True))
    assert turned["3"] == "reference" and turned["1"] == gains["3"].replace("+", "-")
    press(browser, "ranking", "Δ test")
    assert shown(browser)[0] == "3"


def test_pointing_marks_a_configuration_everywhere(browser: Any, page: Path) -> None:
    opened(browser, page)
    webdriver.ActionChains(browser).move_to_element(
        find(browser, '[data-metric="MRR"] tr[data-configuration="2"]')
    ).perform()
    marked = browser.execute_script(
        "return [...document.querySelectorAll('.marked')].map(e => e.dataset.configuration)"
    )
    assert "path" in browser.execute_script("return [...document.querySelectorAll('.marked')].map(e => e.tagName)")
    assert marked and all("2" in numbers.split() for numbers in marked)


@pytest.mark.parametrize("preferred", ["light", "dark"])
def test_dark_and_light(browser: Any, page: Path, preferred: str) -> None:
    opened(browser, page, prefers_color_scheme=preferred)
    paper = "return getComputedStyle(document.body).backgroundColor"
    first, button = browser.execute_script(paper), find(browser, "#theme")
    assert (first == "rgb(16, 18, 22)") == (preferred == "dark")
    assert button.get_attribute("aria-pressed") == str(preferred == "dark").lower()
    button.click()
    assert browser.execute_script(paper) != first
    assert button.get_attribute("aria-pressed") == str(preferred != "dark").lower()
    button.click()
    assert browser.execute_script(paper) == first


@pytest.mark.parametrize("width", [390, 768, 1366])
def test_the_page_never_scrolls_sideways(browser: Any, page: Path, width: int) -> None:
    opened(browser, page, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    small = """return [...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().height &&
        t.getBoundingClientRect().height < 9).length"""
    assert browser.execute_script(small) == 0, "text of figures stays readable"


def test_pictures_open(browser: Any, page: Path) -> None:
    opened(browser, page)
    button = find(browser, ".zoom")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert browser.execute_script("return document.getElementById('large').open")
    find(browser, "#large button").click()
    assert not browser.execute_script("return document.getElementById('large').open")


def test_it_prints(browser: Any, page: Path) -> None:
    opened(browser, page, prefers_color_scheme="dark")
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 20_000


def test_every_control_has_a_name(browser: Any, page: Path) -> None:
    opened(browser, page)
    nameless = browser.execute_script(
        """const controls = "button, select, input, [role=button], [role=img], [role=region]";
        const named = e => e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label");
        return [...document.querySelectorAll(controls)].filter(e => !named(e) && !e.querySelector("img[alt]")).length"""
    )
    assert nameless == 0
    assert browser.execute_script("return document.querySelectorAll('h1').length") == 1


def test_tables_are_beside_the_page(page: Path) -> None:
    names = {f"{name}{suffix}" for name in ("runs", "metrics", "significance", "effects", "strata")
             for suffix in (".md", ".tex", ".csv")}  # fmt: skip
    assert {file.name for file in page.parent.iterdir()} == names | {PAGE}
