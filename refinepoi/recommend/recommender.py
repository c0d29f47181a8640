"""Recommender: where will this person go next? The answer of a trained run for anybody's visits.

    from refinepoi import Recommender
    recommender = Recommender.load("runs/city/20261121-145137")
    for place in recommender.recommend([("p12", "2012-04-02T08:30-04:00")], when="2012-04-02T12:10-04:00", k=5):
        print(place.rank, place.poi_id, place.category, f"{place.km:.1f} km", f"{place.probability:.0%}")

Evidence, prompt and list are made by the code of the stages; all that no question changes is made when it is loaded.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.history import History
from refinepoi.artifacts.places import unit_vectors
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import DataError, UserError
from refinepoi.evaluation.predict import ListWriter, check_length
from refinepoi.evaluation.spec import DecodingSpec
from refinepoi.evidence.count import Counting, split_begins
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.evidence.world import Columns, categories_of, make_world, queries_of, world_of
from refinepoi.model.load import load as load_model
from refinepoi.prompt.settle import Cut, fit
from refinepoi.prompt.write import AnyPrompt, choose
from refinepoi.ranker.serve import FittedRanker
from refinepoi.recommend.catalogue import Catalogue
from refinepoi.recommend.clock import Moment, moment
from refinepoi.recommend.person import GAP_HOURS, KnownPeople, one_person
from refinepoi.recommend.visits import Visit, read_visits, rows_of

ONLY = np.zeros(1, np.int64)
WITHIN_KM = 0.2


class Recommendation(NamedTuple):
    """
    poi_id, name, category, latitude, longitude: as in the run's data (name: None without names). km: from the last
    place, None without one. probability: of this place where `mode` is beam; of this place to be named here, after
    those before it, where it is list. semantic_id: as the model wrote it.
    """

    rank: int
    poi_id: str
    name: str | None
    category: str
    latitude: float
    longitude: float
    km: float | None
    probability: float
    semantic_id: str


class Answer(NamedTuple):
    """
    visits: what was read of the history, in time order. prompt: what the model read. reasoning: what it wrote before
    its list, made legible; None where the prompt asks for none or it wrote none.
    """

    places: tuple[Recommendation, ...]
    visits: tuple[Visit, ...]
    when: Moment
    prompt: str
    reasoning: str | None = None


@dataclass(frozen=True, eq=False)
class Parts:
    """What of a run answers questions."""

    evidence: EvidenceSpec
    prompt: AnyPrompt
    decoding: DecodingSpec
    trajectories: Trajectories
    prompts: Prompts
    semantic_ids: SemanticIds
    policy: Policy
    ranker: FittedRanker | None


class Recommender:
    def __init__(self, parts: Parts, names: dict[str, str] | None = None, device: str = "cpu") -> None:
        """names: what places are called, by POI ID."""
        trajectories, self.spec = parts.trajectories, parts.decoding
        self.catalogue = Catalogue(trajectories.pois, names)
        self.people = KnownPeople(trajectories)
        self._counting = Counting(make_world(trajectories), parts.evidence)
        self._begins = split_begins(trajectories)
        self._places, self._categories = unit_vectors(trajectories.pois), categories_of(trajectories.pois)
        self._gap_hours = float(trajectories.facts.get("protocol", {}).get("gap_hours", GAP_HOURS))
        self._semantic_ids, self._list_length = parts.semantic_ids, parts.prompts.list_length
        self._facts = parts.prompts.facts
        self._order = parts.ranker.order if parts.ranker else _unchanged
        nobody, uncounted = _without_queries(trajectories), _no_evidence(self._counting)
        self._history = History.of(nobody, uncounted)
        nothing = self._order(uncounted, self._history)
        edges = {name: np.array(fact["edges"]) for name, fact in parts.prompts.facts.get("counters", {}).items()}
        told = Profiles(parts.prompts.profiles, {})
        self._template = choose(parts.prompt, self._history, nobody, nothing, parts.semantic_ids, edges, told)
        language = load_model(parts.policy.model)
        model: Any = language.model
        self.model, self._tokenizer = model.to(device), language.tokenizer
        self._writers: dict[DecodingSpec, ListWriter] = {}
        self._writer(parts.decoding)

    @classmethod
    def load(
        cls, run: str | Path, *, store: str | Path | None = None, names: dict[str, str] | None = None,
        device: str = "cpu",
    ) -> Self:  # fmt: skip
        """run: the folder of a finished run. store: of its artifacts, where they were moved."""
        from refinepoi.recommend.run import read_parts

        return cls(read_parts(Path(run), Path(store) if store else None), names, device)

    def recommend(self, history: Any, when: Any, k: int = 10, **how: Any) -> list[Recommendation]:
        """
        The k likeliest next places, best first.

        history: visits in any order: a data frame, or rows with `poi`, `time` and, where they are told, `timezone`,
            `latitude`, `longitude`, `trip`; tuples have that order. Places are found by ID, or else by coordinates.
        when: the time asked for: a datetime with a zone, or ISO 8601 text with an offset.
        how: as in `ask`.
        """
        return list(self.ask(history, when, k, **how).places)

    def ask(
        self,
        history: Any,
        when: Any,
        k: int = 10,
        *,
        user: str | None = None,
        timezone: Any = None,
        within_km: float = WITHIN_KM,
        mode: str = "beam",
    ) -> Answer:
        """
        The answer with what was read and asked.

        user: a user of the run's data, whose visits there come before `history`. timezone: of times that tell none.
        within_km: a place that is not in the catalogue is taken for the nearest one up to here.
        mode: beam | list, as `evaluation.decoding.mode`; as_evaluated: as the run was.
        Raises DataError that names every row of `history` that cannot be used.
        """
        at = moment(when, timezone)
        visits = read_visits(rows_of(history), self.catalogue, at, timezone, within_km)
        return self.answer(visits, at, k, user=user, mode=mode)

    def answer(
        self, visits: list[Visit], when: Moment, k: int, *, user: str | None = None, mode: str = "beam"
    ) -> Answer:
        """visits: in time order, all before `when`."""
        if user is not None and user not in self.people:
            raise DataError(f"user {user!r} is not in the run's data; leave `user` out for a new person")
        earlier = None if user is None else self.people.before(user, when.utc)
        table = one_person(visits, earlier, when, self._gap_hours)
        prompt = self.prompt(table, None if user is None else self.people.row(user))
        written = self._writer(self.decoding(k, mode)).write([prompt])
        last = int(table["poi"][-2]) if len(table["poi"]) > 1 else None
        places = self._places_of(written.pois[0], written.scores[0], last)
        text = written.thoughts[0].text if written.thoughts else None
        return Answer(places, tuple(visits), when, prompt, legible(text) if text else None)

    def prompt(self, table: Columns, user: int | None = None) -> str:
        """What the model reads for the last row of a one-person table of check-ins (`person.py`).

        user: who this is in the run's data, where that is known: only of them a profile can be told.
        """
        asked = ONLY + len(table["utc"]) - 1
        world, queries = world_of(table, 1, self._places, self._categories), queries_of(table, asked)
        counted = self._counting.count(world, queries, self._counting.look(world, queries, self._begins))
        history = self._history.about(table, asked, counted)
        evidence = self._order(counted, history)
        template = self._template.about(history, evidence)
        written = (template if user is None else template.of_user(user, int(table["utc"][-1]))).write(0)
        cut = Cut.of(written.text, written.system, written.droppable)
        return fit([cut], self._facts, self._tokenizer)[0][0]

    def _places_of(self, pois: np.ndarray, scores: np.ndarray, last: int | None) -> tuple[Recommendation, ...]:
        known = self.catalogue
        real = np.flatnonzero(pois >= 0)
        kilometres = [None] * len(pois) if last is None else known.distance(last, pois).tolist()
        return tuple(
            Recommendation(
                rank,
                known.ids[poi],
                known.names.get(known.ids[poi]),
                known.categories[poi],
                float(known.latitude[poi]),
                float(known.longitude[poi]),
                kilometres[place],
                float(np.exp(scores[place])),
                self._semantic_ids.texts[poi],
            )
            for rank, (place, poi) in enumerate(zip(real.tolist(), pois[real].tolist(), strict=True), start=1)
        )

    def decoding(self, k: int, mode: str) -> DecodingSpec:
        if mode not in ("beam", "list", "as_evaluated"):
            raise UserError(f"mode: {mode!r}; choose beam, list or as_evaluated")
        if not 1 <= k <= len(self.catalogue):
            raise UserError(f"k: {k}; choose from 1 to {len(self.catalogue)}, the size of the catalogue")
        return self.spec.model_copy(update={"k": k, "mode": self.spec.mode if mode == "as_evaluated" else mode})

    def _writer(self, spec: DecodingSpec) -> ListWriter:
        if spec not in self._writers:
            check_length(spec, self._list_length)
            reasoning = bool(self._facts.get("reasoning"))
            self._writers[spec] = ListWriter(spec, self.model, self._tokenizer, self._semantic_ids, reasoning)
        return self._writers[spec]


def legible(text: str) -> str:
    """What a model wrote, fit to be shown: no controls, no marks that turn the direction of writing; lines stay."""
    kept = (c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in text.replace("\r\n", "\n"))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[^\S\n]+", " ", "".join(kept))).strip()


def device_of(setting: str) -> str:
    """`runtime.device` as torch names it."""
    import torch

    return "cuda" if setting == "auto" and torch.cuda.is_available() else setting.replace("auto", "cpu")


def _without_queries(trajectories: Trajectories) -> Trajectories:
    queries = trajectories.queries.clear()
    return Trajectories(trajectories.checkins, trajectories.pois, trajectories.users, queries, trajectories.facts)


def _unchanged(evidence: Evidence, history: History) -> Evidence:
    return evidence


def _no_evidence(counting: Counting) -> Evidence:
    """Of no queries, with the settings of the run."""
    from refinepoi.evidence.names import CONTEXT

    places = counting.spec.candidates
    counters = np.zeros((0, places, len(counting.names)), np.float32)
    context = np.zeros((0, len(CONTEXT)), np.float32)
    return Evidence(np.zeros((0, places), np.int32), counters, counting.names, context, CONTEXT, counting.facts)
