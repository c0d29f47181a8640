"""The model card: what the model is, what it was trained on, how it is asked, how good it is."""

from typing import Any

from refinepoi.artifacts.policy import Policy
from refinepoi.artifacts.prompts import Prompts
from refinepoi.artifacts.semantic_ids import SemanticIds
from refinepoi.export.spec import ExportSpec
from refinepoi.model.source import Base

LICENCES = {  # of the bases we have presets for
    "Qwen/Qwen3-": "apache-2.0",
    "Qwen/Qwen2.5-0.5B": "apache-2.0",
    "meta-llama/Llama-3.2-": "llama3.2",
    "meta-llama/Llama-3.1-": "llama3.1",
}
EXAMPLE = "Prompts are text as it stands in `example.json`, chat template included: that of a user of the data."
NO_EXAMPLE = "Prompts are text as refinepoi writes it, chat template included; they tell of users, so none stands here."
SHOWN = ("Acc@1", "Acc@5", "Acc@10", "MRR")


def model_card(
    spec: ExportSpec,
    policy: Policy,
    base: Base | None,
    parameters: int,
    prompts: Prompts,
    semantic_ids: SemanticIds,
    protocol: dict[str, Any],
    metrics: dict[str, Any] | None,
) -> str:
    """Markdown with the front matter of the Hub. base: what the weights began as."""
    length = prompts.facts["budget"] + prompts.facts["longest_answer"]
    parts = [
        _front_matter(spec, base),
        f"# Next places on `{protocol['dataset']}`",
        "A causal language model that answers a description of a user's past visits with a ranked list of "
        f"{prompts.list_length} places, each written as a semantic ID of {semantic_ids.levels} tokens such as "
        f"`{semantic_ids.texts[0]}`. Made with refinepoi, an implementation of Refine-POI (arXiv 2506.21599).",
        _facts(
            {
                "parameters": f"{parameters:,} in {spec.dtype}",
                "base": _named(base),
                "trained": policy.facts.get("trained", "unknown"),
                "places": f"{len(semantic_ids.codes):,} (`ids.csv`: ID, the data's own name, category, position)",
                "IDs": f"grids {_grids(semantic_ids)}, collisions `{semantic_ids.policy}`, "
                f"{semantic_ids.collision_rate:.1%} of the places share theirs",
            }
        ),
        "## Protocol",
        _facts({name.replace("_", " "): value for name, value in sorted(protocol.items())}),
        "## How it is asked",
        _facts(
            {
                "template": f"`{prompts.facts['template']}`, at most {prompts.facts['budget']} tokens",
                "history": prompts.facts.get("history", "see the settings of the run"),
                "time of the visit asked for": prompts.facts.get("target_time", "see the settings of the run"),
                "answer": f"{prompts.list_length} IDs with nothing between them, then the end token",
            }
        ),
        f"{EXAMPLE if spec.example else NO_EXAMPLE} Numbers behind letters are "
        "quantised counters, which refinepoi computes from the check-ins before the one asked for. Decode greedily, "
        "and only IDs of `ids.csv`: `python example.py PROMPT.txt` shows how with transformers alone.",
        "```\nvllm serve FOLDER --max-model-len " + str(length) + "\n```",
        "serves it with vLLM (the completions interface takes the prompts as they are). vLLM's attention kernels want "
        "heads of 64 or more numbers, which models from scratch have from `model=small` on.",
        "## How good it is",
        _metrics(metrics, policy),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(spec: ExportSpec, base: Base | None) -> str:
    lines = ["library_name: transformers", "pipeline_tag: text-generation"]
    if licence := licence_of(spec, base):
        lines.append(f"license: {licence}")
    if base is not None and base.name is not None:
        lines.append(f"base_model: {base.name}")
    return "\n".join(["---", *lines, "tags: [refinepoi, recommendation, semantic-ids]", "---"])


def licence_of(spec: ExportSpec, base: Base | None) -> str | None:
    """The one that is given, or that of the base where it is known."""
    name = base.name if base is not None else None
    return spec.licence or next(
        (licence for start, licence in LICENCES.items() if name and name.startswith(start)), None
    )


def _named(base: Base | None) -> str:
    if base is None:
        return "none: weights from scratch"
    kept = " held in 4 bits, unpacked here" if base.bits == 4 else ""
    where = f"{base.name} at {base.revision or 'a local folder'}" if base.name else "a local folder"
    return f"{where}{kept}, config and weights sha256 {base.digest}; its licence holds for this model, too"


def _grids(semantic_ids: SemanticIds) -> str:
    return ", ".join(f"{rows}x{columns}" for rows, columns in semantic_ids.grids)


def _facts(values: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def _metrics(metrics: dict[str, Any] | None, policy: Policy) -> str:
    if metrics is None:
        curve: list[dict[str, float]] = policy.facts.get("validation") or next(
            (phase["validation"] for phase in reversed(policy.facts.get("phases", []))), []
        )
        best = max(curve, key=lambda row: row.get("MRR", 0.0), default=None)
        if best is None:
            return "Not measured; `export.metrics=true` evaluates first."
        shown = ", ".join(f"{name} {best[name]:.3f}" for name in SHOWN if name in best)
        return f"On the validation queries that chose it: {shown}. `export.metrics=true` puts the test table here."
    rows = [f"| test, {metrics['samples']} samples | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for method, values in metrics["methods"].items():
        cells = [f"{values[name]:.3f}" if isinstance(values.get(name), int | float) else "" for name in SHOWN]
        rows.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
