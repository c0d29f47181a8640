from dataclasses import replace
from typing import Any

import pytest
from prompt_specs import SPECS, change, write

from refinepoi.prompt.examples import examples, summary
from refinepoi.prompt.pieces import token_count


@pytest.mark.parametrize("kind", SPECS)
def test_three_prompts_with_what_they_show_and_what_was_dropped(world: Any, kind: str) -> None:
    prompts = write(change(SPECS[kind], budget=SPECS[kind].budget - 20), world)
    text = examples(prompts)
    layout = {row["query"]: row for row in prompts.layout.iter_rows(named=True)}
    table = {row["query"]: row for row in prompts.table.iter_rows(named=True)}
    sections = text.split("\n## Query ")[1:]
    assert len(sections) == 3
    tokens = []
    for section in sections:
        query = int(section.partition(",")[0])
        row, about = table[query], layout[query]
        assert row["split"] == 2 and f"\n{row['prompt']}\n" in section and f"Answer: `{row['answer']}`" in section
        assert f"{about['visits']} visits, {about['candidates']} candidates; dropped: " in section
        for what in ("visits", "candidates"):
            assert (f"{about[f'dropped_{what}']} {what}" in section.partition("dropped: ")[2].partition(".\n")[0]) == (
                about[f"dropped_{what}"] > 0
            )
        assert f", test: {token_count(row['prompt'])} tokens" in section
        tokens.append(token_count(row["prompt"]))
    assert tokens == sorted(tokens) and tokens[-1] == prompts.facts["shown"]["test"]["tokens_max"]
    for split, row in prompts.facts["shown"].items():
        assert f"| {split} | {row['prompts']} | " in summary(prompts) and summary(prompts) in text


def test_no_prompts_no_examples(world: Any) -> None:
    prompts = write(SPECS["compact"], world)
    assert examples(replace(prompts, table=prompts.table[:0])) == ""
