"""The parts of a finished run that answer questions: settings and keys stand in its folder, files in its store."""

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError

from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.files import BrokenArtifact
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.core.errors import UserError
from refinepoi.core.stage import Artifact, Storable
from refinepoi.evaluation.spec import DecodingSpec
from refinepoi.evidence.spec import EvidenceSpec
from refinepoi.prompt.spec import CompactPrompt, EvidencePrompt, PromptSpec, QuestionPrompt
from refinepoi.ranker.serve import FittedRanker

T = TypeVar("T", bound=Storable)
AnyPrompt = CompactPrompt | EvidencePrompt | QuestionPrompt
CONFIG, MANIFESTS, LAUNCH = "config.yaml", "manifests.json", "launch.json"
MAKE = "make it again: refinepoi goal=policy with its settings"


class Handles:
    """specs: of evidence, prompt, decoding. The rest: artifacts, not loaded yet."""

    def __init__(self, run: Path, store: Path | None = None) -> None:
        self.run = run
        if not (run / CONFIG).is_file():
            raise UserError(f"run: {str(run)!r} is no run folder; a finished run's folder holds {CONFIG}")
        config = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
        self._manifests = _read(run / MANIFESTS)
        self._stores = [store] if store else _stores(run, str(config["runtime"]["store"]))
        decoding = config["evaluation"]["decoding"]
        self.evidence: EvidenceSpec = self._spec(TypeAdapter(EvidenceSpec), "evidence", self._settings("evidence"))
        self.prompt: AnyPrompt = self._spec(TypeAdapter(PromptSpec), "prompt", self._settings("prompts"))
        self.decoding: DecodingSpec = self._spec(TypeAdapter(DecodingSpec), "evaluation.decoding", decoding)
        self.trajectories = self._find(Trajectories, "trajectories")
        self.prompts = self._find(Prompts, "prompts")
        self.semantic_ids = self._find(SemanticIds, "semantic_ids")
        self.ranked = self._find(Evidence, "ranked") if "ranked" in self._manifests else None
        self.policy = self._find(Policy, "policy", "warm_start")

    @property
    def artifacts(self) -> tuple[Artifact[Any], ...]:
        """Trajectories, prompts, semantic IDs, policy, and the ranked evidence where the run had a ranker."""
        ranked = () if self.ranked is None else (self.ranked,)
        return self.trajectories, self.prompts, self.semantic_ids, self.policy, *ranked

    def _settings(self, name: str) -> Any:
        if name not in self._manifests:
            raise UserError(f"run: {str(self.run)!r} made no {name}; {MAKE}")
        return self._manifests[name]["arguments"][0]

    def _spec(self, adapter: TypeAdapter[Any], name: str, settings: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(settings))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join([name, *map(str, first["loc"])])
            raise UserError(
                f"run: {str(self.run)!r} was made by another version: {key}: {first['msg']}; {MAKE}"
            ) from None

    def _find(self, made: type[T], *names: str) -> Artifact[T]:
        """The artifact of the first of these names that the run made."""
        name = next((name for name in names if name in self._manifests), None)
        if name is None:
            raise UserError(f"run: {str(self.run)!r} made no {names[0]}; {MAKE}")
        stage, key = self._manifests[name]["stage"], self._manifests[name]["key"]
        for store in self._stores:
            if (store / stage / key).is_dir():
                return Artifact(stage, key, store / stage / key, made)
        looked = " or ".join(str(store) for store in self._stores)
        raise UserError(f"run: its {name} {stage}/{key} is not in {looked}; give the store, or {MAKE}")


def read_parts(run: Path, store: Path | None) -> Any:
    """The parts, loaded. Raises UserError where the folder or the store lacks one."""
    from refinepoi.recommend.recommender import Parts

    found = Handles(run, store)
    loaded = load_all(found.trajectories, found.prompts, found.semantic_ids, found.policy)
    ranker = FittedRanker.load(found.ranked.path) if found.ranked else None
    return Parts(found.evidence, found.prompt, found.decoding, *loaded, ranker)


def load_all(
    trajectories: Artifact[Trajectories],
    prompts: Artifact[Prompts],
    semantic_ids: Artifact[SemanticIds],
    policy: Artifact[Policy],
) -> tuple[Trajectories, Prompts, SemanticIds, Policy]:
    """Each part. Raises UserError where one is not as this version writes it."""
    try:
        return trajectories.load(), prompts.load(), semantic_ids.load(), policy.load()
    except BrokenArtifact as error:
        raise UserError(f"run: made by another version, or damaged: {error}; {MAKE}") from None


def _stores(run: Path, store: str) -> list[Path]:
    """Where a run's store may be: a relative path begins where the run was started, or here."""
    launches = [_read(folder / LAUNCH) for folder in (run, run.parent) if (folder / LAUNCH).is_file()]
    begins = [Path(launch["directory"]) for launch in launches] + [Path.cwd()]
    return list(dict.fromkeys((begin / store).absolute() for begin in begins))


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"run: {file} cannot be read ({error}); {MAKE}") from None
    return content
