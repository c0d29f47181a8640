"""Settings of the whole road on a city small enough for tests."""

CITY = ["dataset.city.users=40", "dataset.city.pois=80", "dataset.city.days=60", "dataset.protocol.train_queries=last"]
SMALL = [
    *CITY, "encoder.epochs=2", "quantizer.levels=[5x5,5x5]", "quantizer.epochs=3", "quantizer.quality.beside=off",
    "model.hidden=32", "model.layers=2", "model.heads=2", "model.kv_heads=2", "model.intermediate=64",
    "grpo.steps=2", "grpo.num_generations=4", "grpo.prompts_per_step=4", "grpo.eval_queries=16",
    "evaluation.scoring.resamples=100", "runtime.progress=false",
]  # fmt: skip
