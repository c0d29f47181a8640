"""The ID browser as a file: what is in it, and that no name can become markup."""

import json
import re

import numpy as np
import polars as pl
import pytest

from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.quantizer import browser as pages
from refinepoi.quantizer.browser import hex_colours, page, page_data, write_page

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--",
    "__SCRIPT__",
    "a & b \u2028 \\u003c",
]


def city(rows=60, names=HOSTILE, grids=((4, 4), (3, 5))):
    draw = np.random.default_rng(0)
    codes = np.column_stack([draw.integers(0, h * w, rows) for h, w in grids]).astype(np.int32)
    frame = pl.DataFrame(
        {
            "poi_id": [f"poi {n} {names[n % len(names)]}" for n in range(rows)],
            "category": [names[n % len(names)] for n in range(rows)],
            "latitude": 40.7 + 0.1 * draw.random(rows),
            "longitude": -74 + 0.1 * draw.random(rows),
        }
    )
    return SemanticIds(codes, grids, "none"), frame


def data_of(text):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S).group(1))


def test_the_page_holds_every_poi_with_its_codes():
    ids, frame = city()
    data = data_of(page(ids, frame))
    assert np.array(data["codes"]).T.tolist() == ids.codes.tolist()
    assert data["poi"] == frame["poi_id"].to_list()
    assert [data["categories"][n] for n in data["category"]] == frame["category"].to_list()
    np.testing.assert_allclose(data["latitude"], frame["latitude"], atol=6e-6)
    assert len(data["colours"]) == 16
    assert data["grids"] == [[4, 4], [3, 5]]


def test_no_name_can_end_the_data_or_start_markup():
    text = page(*city())
    assert text.count("</script>") == 2  # the data and the page's own
    assert "<img" not in text
    assert not re.search(r"[<>&\u2028\u2029]", text.split('type="application/json">')[1].split("</script>")[0])
    assert "__" not in re.sub(r"__SCRIPT__(?=[^<]*</script>)", "", text)  # every part was put in its place


def test_the_page_asks_the_network_for_nothing(tmp_path):
    write_page(tmp_path / "ids.html", *city())
    text = (tmp_path / "ids.html").read_text(encoding="utf-8")
    assert not re.search(
        r"https?://|src=|@import|url\(|fetch\(|XMLHttpRequest|innerHTML", text.split('"application/json"')[0]
    )
    assert not re.search(r"https?://|@import|fetch\(|XMLHttpRequest|innerHTML|eval\(", text.split("</script>")[1])
    assert "default-src 'none'" in text


def test_five_thousand_pois_fit_into_three_megabytes():
    ids, frame = city(5000, [f"category number {n} with quite a long name" for n in range(400)], ((16, 16),) * 3)
    assert len(page(ids, frame).encode()) < 1_000_000


def test_a_larger_catalogue_is_shown_by_a_sample(monkeypatch):
    monkeypatch.setattr(pages, "MOST_POIS", 20)
    ids, frame = city()
    data = page_data(ids, frame, "rectangular")
    assert (len(data["poi"]), data["pois"]) == (20, 60)
    rows = [frame["poi_id"].to_list().index(name) for name in data["poi"]]
    assert rows == sorted(rows)
    assert np.array(data["codes"]).T.tolist() == ids.codes[rows].tolist()


@pytest.mark.parametrize(("colour", "text"), [((0, 0, 0), "#000000"), ((1, 0.5, 0.2), "#ff8033")])
def test_colours_as_text(colour, text):
    assert hex_colours(np.array([colour], float)) == [text]
