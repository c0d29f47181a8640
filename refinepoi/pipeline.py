"""What refinepoi makes, in order: the whole method on one page. READ THIS FIRST.

Asking for a property makes that artifact and what it needs, and no more; what the store has is read (`core/store.py`).
Each stage stands in the package of its name: `refinepoi/<package>/stage.py`.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from refinepoi.artifacts.audit import Audit
from refinepoi.artifacts.embeddings import Embeddings
from refinepoi.artifacts.evidence import Evidence
from refinepoi.artifacts.export import Export
from refinepoi.artifacts.features import Features
from refinepoi.artifacts.metrics import Metrics
from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.predictions import Predictions
from refinepoi.artifacts.profiles import Profiles
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.recommendations import Recommendations
from refinepoi.artifacts.reward_report import RewardReport
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.artifacts.trajectories import Trajectories
from refinepoi.audit.stage import audit_data
from refinepoi.baseline.stage import list_ranked, rank_by_counting
from refinepoi.core.spec import Spec
from refinepoi.core.stage import Artifact, Stage, Storable
from refinepoi.core.store import Store
from refinepoi.dataset.stage import make_trajectories
from refinepoi.encoder.stage import train_encoder
from refinepoi.ensemble.stage import mix_rankers
from refinepoi.evaluation.stage import predict, score, score_baselines
from refinepoi.evidence.stage import count_evidence
from refinepoi.experiment import Experiment
from refinepoi.export.stage import export_policy
from refinepoi.features.stage import make_features
from refinepoi.grpo.stage import report_rewards, train_grpo
from refinepoi.profile.stage import write_profiles
from refinepoi.prompt.stage import write_prompts
from refinepoi.quantizer.stage import quantize
from refinepoi.ranker.stage import rank_candidates
from refinepoi.recommend.run import Handles
from refinepoi.recommend.stage import recommend_places
from refinepoi.sequence.stage import train_sequence
from refinepoi.sft.stage import train_sft

T = TypeVar("T", bound=Storable)


class Pipeline:
    """Refine-POI, one property an artifact."""

    def __init__(self, experiment: Experiment, store: Store) -> None:
        self.spec = experiment
        self.store = store

    @cached_property
    def trajectories(self) -> Artifact[Trajectories]:
        """Check-ins, cleaned, cut into trajectories, split by time; the samples of the protocol."""
        return self._get("trajectories", make_trajectories, self.spec.dataset)

    @cached_property
    def evidence(self) -> Artifact[Evidence]:
        """For each sample its candidate places and what counting the past says of them."""
        return self._get("evidence", count_evidence, self.spec.evidence, self.trajectories)

    @cached_property
    def ranked(self) -> Artifact[Evidence]:
        """The same candidates as trees or a logit put them in order, each with its probability."""
        if self.spec.ranker.kind == "off":
            return self.evidence
        return self._get("ranked", rank_candidates, self.spec.ranker, self.evidence, self.trajectories)

    @cached_property
    def features(self) -> Artifact[Features]:
        """What training check-ins say of each place: category, location, hours, popularity."""
        return self._get("features", make_features, self.spec.features, self.trajectories)

    @cached_property
    def embeddings(self) -> Artifact[Embeddings]:
        """Features smoothed by a contrastive encoder: places visited together come close."""
        return self._get("embeddings", train_encoder, self.spec.encoder, self.features, self.trajectories)

    @cached_property
    def semantic_ids(self) -> Artifact[SemanticIds]:
        """A hierarchical self-organizing map turns each embedding into grid coordinates: `<A_1,2><B_3,4>`."""
        return self._get("semantic_ids", quantize, self.spec.quantizer, self.embeddings, self.trajectories)

    @cached_property
    def profiles(self) -> Artifact[Profiles]:
        """What training check-ins say of each user, in words; nothing with `profile=off`."""
        return self._get("profiles", write_profiles, self.spec.profile, self.trajectories)

    @cached_property
    def prompts(self) -> Artifact[Prompts]:
        """Each sample as text: memory, time, candidates with their evidence; the answer is a list of IDs."""
        inputs = self.trajectories, self.ranked, self.semantic_ids, self.profiles
        return self._get("prompts", write_prompts, self.spec.prompt, *inputs)

    @cached_property
    def audit(self) -> Artifact[Audit]:
        """Leak tests and figures of the data: does anything trained or asked know what it must not? Stops if so."""
        trained = self.spec.features, self.spec.encoder
        told = self.spec.evidence, self.spec.ranker, self.spec.profile, self.spec.prompt
        return self._get("audit", audit_data, *trained, *told, self.trajectories, self.semantic_ids)

    @cached_property
    def warm_start(self) -> Artifact[Policy]:
        """The language model after supervised fine-tuning."""
        return self._get("warm_start", train_sft, self.spec.sft, self.spec.model, self.prompts, self.semantic_ids)

    @cached_property
    def reward_report(self) -> Artifact[RewardReport]:
        """What the reward pays the warm start, and answers that would game it: look here before any GRPO."""
        inputs = self.warm_start, self.prompts, self.semantic_ids, self.trajectories
        return self._get("reward_report", report_rewards, self.spec.grpo, self.spec.reward, *inputs)

    @cached_property
    def policy(self) -> Artifact[Policy]:
        """The language model after GRPO on the five rewards."""
        if self.spec.grpo.kind == "off":
            return self.warm_start
        specs = self.spec.grpo, self.spec.reward, self.spec.model
        inputs = self.warm_start, self.prompts, self.semantic_ids, self.trajectories
        return self._get("policy", train_grpo, *specs, *inputs)

    @cached_property
    def predictions(self) -> Artifact[Predictions]:
        """The policy's ranked lists for validation and test."""
        return self._predict("predictions", self.policy)

    @cached_property
    def warm_start_predictions(self) -> Artifact[Predictions]:
        """The same of the model before GRPO."""
        return self._predict("warm_start_predictions", self.warm_start)

    @cached_property
    def baselines(self) -> Artifact[Predictions]:
        """What counting alone reaches: popularity, habits, log-linear counters."""
        return self._get("baselines", rank_by_counting, self.spec.baseline, self.evidence, self.trajectories)

    @cached_property
    def ranker_predictions(self) -> Artifact[Predictions]:
        """The order that prompts show, as a row of the table."""
        return self._get("ranker_predictions", list_ranked, self.ranked, self.trajectories)

    @cached_property
    def sequence(self) -> Artifact[Predictions]:
        """What a sequence model over visits reaches: SASRec or a GRU."""
        return self._get("sequence", train_sequence, self.spec.sequence, self.evidence, self.trajectories)

    @property
    def rankers(self) -> tuple[Artifact[Predictions], ...]:
        """Whatever ranks without a language model."""
        ranker = () if self.spec.ranker.kind == "off" else (self.ranker_predictions,)
        sequence = () if self.spec.sequence.kind == "off" else (self.sequence,)
        return self.baselines, *ranker, *sequence

    @cached_property
    def baseline_metrics(self) -> Artifact[Metrics]:
        """The table of the baselines alone: what a language model has to beat, in minutes."""
        scoring = self.spec.evaluation.scoring
        data = self.trajectories, self.evidence
        return self._get("baseline_metrics", score_baselines, scoring, *data, *self.rankers)

    @cached_property
    def ensemble(self) -> Artifact[Predictions]:
        """The policy's likelihoods and counting in one log-linear ranker."""
        inputs = self.policy, self.prompts, self.semantic_ids, self.ranked, self.trajectories
        return self._get("ensemble", mix_rankers, self.spec.ensemble, *inputs)

    @property
    def compared(self) -> tuple[Artifact[Predictions], ...]:
        """What stands in one table: the policy, the warm start, then all other rankers."""
        mixed = () if self.spec.ensemble.kind == "off" else (self.ensemble,)
        return self.predictions, self.warm_start_predictions, *mixed, *self.rankers

    @cached_property
    def metrics(self) -> Artifact[Metrics]:
        """Acc@k, MRR, NDCG with intervals, for all methods in one table, and by strata."""
        scoring = self.spec.evaluation.scoring
        return self._get("metrics", score, scoring, self.trajectories, self.evidence, *self.compared)

    @cached_property
    def export(self) -> Artifact[Export]:
        """The policy as a folder that needs nothing of refinepoi: weights, tokenizer, model card, ID table, example."""
        shown = (self.metrics,) if self.spec.export.metrics else ()
        inputs = self.policy, self.prompts, self.semantic_ids, self.trajectories, *shown
        return self._get("export", export_policy, self.spec.export, *inputs)

    @cached_property
    def recommend(self) -> Artifact[Recommendations]:
        """Next places for the people of `recommend.input`, by this policy or that of the run `recommend.run`."""
        spec = self.spec.recommend
        if spec.run is not None:
            run = Handles(Path(spec.run))
            specs, parts = (run.evidence, run.prompt, run.decoding), run.artifacts
        else:
            specs = self.spec.evidence, self.spec.prompt, self.spec.evaluation.decoding
            ranked = () if self.spec.ranker.kind == "off" else (self.ranked,)
            parts = self.trajectories, self.prompts, self.semantic_ids, self.policy, *ranked
        return self._get("recommend", recommend_places, spec, *specs, *parts)

    def _predict(self, name: str, policy: Artifact[Policy]) -> Artifact[Predictions]:
        return self._get(name, predict, self.spec.evaluation.decoding, policy, self.prompts, self.semantic_ids)

    def _get(self, name: str, stage: Stage[T], *arguments: Spec | Artifact[Any]) -> Artifact[T]:
        return self.store.get(stage, arguments, name)
