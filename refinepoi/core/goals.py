"""The artifacts a run can be asked for, in the order they are made: the properties of `pipeline.Pipeline`; and the
report, which reads finished runs."""

GOALS = {
    "trajectories": "cleaned, split check-ins with the samples of the protocol, and a data report",
    "evidence": "candidates of every sample and what counting knows of them",
    "ranked": "the candidates as trees or a logit put them in order (ranker=trees), with their probabilities",
    "features": "what training check-ins say of each POI",
    "embeddings": "contrastive encoder trained; one vector a POI",
    "semantic_ids": "hierarchical SOM trained; one grid coordinate a level for each POI, with maps",
    "profiles": "a text on each user from training check-ins, for the system message of prompt=question",
    "prompts": "what the language model reads and should answer",
    "audit": "leak tests, counts, time ranges and oddities of the data, with a page; a failed leak test stops the run",
    "warm_start": "language model after supervised fine-tuning",
    "reward_report": "what each reward pays before any GRPO, its signal, and what gaming it would earn, with a page",
    "policy": "language model after GRPO",
    "predictions": "ranked lists of the policy",
    "baselines": "ranked lists of the counters",
    "baseline_metrics": "the table of the rankers that count or boost, without a language model",
    "ensemble": "ranked lists of the policy and counting in one log-linear ranker (ensemble=loglinear)",
    "sequence": "ranked lists of a sequence model (sequence=sasrec or gru)",
    "metrics": "the table: everything",
    "export": "the policy as a folder that transformers and vLLM load, with model card, ID table and example",
    "recommend": "next places for the people of recommend.input=FILE.csv: table, JSON, CSV and a map page",
    "dashboard": "no artifact: the W&B workspace and report of tracking.project, with the panels to compare runs by",
    "report": "no artifact: a page and tables that compare finished runs, report.runs=[FOLDER,...]",
}
