"""`goal=recommend` through the command line: with the policy of the settings and with that of a finished run."""

import csv
import json
from pathlib import Path

from command import last_line, refinepoi
from small import SMALL


def test_a_table_of_visits_is_answered(first: tuple[Path, Path, str], tmp_path: Path) -> None:
    from refinepoi import Recommender
    from refinepoi.recommend.run import Handles

    folder, run, _ = first
    settings = [*SMALL, "tracking=off", f"runtime.store={folder}/artifacts"]
    pois = Handles(run).trajectories.load().pois["poi_id"].to_list()
    visits = [(pois[0], "2024-03-01T08:10-05:00"), (pois[1], "2024-03-01T12:20-05:00")]
    text = "who,place,at\n" + "".join(f"ann,{poi},{time}\n" for poi, time in visits)
    (tmp_path / "trips.csv").write_text(text)
    (tmp_path / "names.csv").write_text("poi,name\n" + "".join(f"{poi},The {poi}\n" for poi in pois))
    asked = [
        "goal=recommend", "recommend.input=trips.csv", "recommend.columns.user=who", "recommend.columns.poi=place",
        "recommend.columns.time=at", "recommend.when=last+45", "recommend.names=names.csv", "recommend.k=5",
    ]  # fmt: skip
    done = refinepoi(tmp_path, *settings, *asked)
    out = last_line(done)
    by_run = last_line(refinepoi(tmp_path, *asked, f"recommend.run={run}", "tracking=off"))
    for name in ("recommendations.json", "recommendations.csv", "recommendations.txt", "recommendations.html"):
        assert (out / name).read_bytes() == (by_run / name).read_bytes()
    (answer,) = json.loads((out / "recommendations.json").read_text())["answers"]
    expected = Recommender.load(run).recommend(visits, "2024-03-01T13:05-05:00", k=5)
    assert [place["poi_id"] for place in answer["places"]] == [place.poi_id for place in expected]
    rows = list(csv.DictReader((out / "recommendations.csv").read_text("utf-8").splitlines()))
    assert [row["name"] for row in rows] == [f"The {place.poi_id}" for place in expected]
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4, 5] and rows[0]["user"] == "ann"
    assert (
        "ann: next place at 2024-03-01 13:05, after 2 visits" in done.stdout
        and f"The {expected[0].poi_id}" in done.stdout
    )

    (tmp_path / "trips.csv").write_text(text + "bob,atlantis,2024-03-01T08:10-05:00\nbob,p1,later\n")
    refused = refinepoi(tmp_path, *settings, *asked, check=False)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    for said in ("2 of 4 rows cannot be used", "row 4: place 'atlantis'", "row 5: time 'later' cannot be read"):
        assert said in refused.stdout + refused.stderr


def test_nothing_starts_without_a_table(tmp_path: Path) -> None:
    done = refinepoi(tmp_path, "goal=recommend", check=False)
    assert done.returncode == 2 and "recommend.input: goal=recommend answers for a table" in done.stderr
    done = refinepoi(tmp_path, "goal=recommend", "recommend.input=none.csv", "recommend.when=soon", check=False)
    assert done.returncode == 2 and "recommend.when" in done.stderr
    assert not list(tmp_path.iterdir())
