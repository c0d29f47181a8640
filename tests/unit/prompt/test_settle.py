"""Prompts in a model's own tokens: byte-level BPE that needs several for a word, with and without a chat template."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from folders import CHATML, byte_tokenizer
from prompt_specs import SPECS, change, write
from tokenizers import AddedToken, processors
from transformers import PreTrainedTokenizerFast

from refinepoi.artifacts.prompts import Prompts
from refinepoi.core.errors import UserError
from refinepoi.prompt import settle as settling
from refinepoi.prompt.settle import Cut, count_tokens, settle

NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}{% endfor %}"
)


def tokenizer(prompts: Prompts, template: str | None = None, bos: bool = False) -> PreTrainedTokenizerFast:
    made = byte_tokenizer(prompts.table["prompt"].to_list()[:20])
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in prompts.id_tokens])
    if bos:
        pair = [("<|bos|>", made.bos_token_id)]
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<|bos|> $A", special_tokens=pair)
    made.chat_template = template
    return made


@pytest.fixture(scope="module")
def roomy(world: Any) -> Prompts:
    return write(change(SPECS["question"], budget=5000, chat="auto"), world)


def with_budget(prompts: Prompts, budget: int) -> Prompts:
    return replace(prompts, facts=prompts.facts | {"budget": budget})


def lengths(prompts: Prompts, made: Any) -> list[int]:
    return count_tokens(made, prompts.table["prompt"].to_list()).tolist()


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("tight", [0.5, 0.8])
def test_every_prompt_fits_and_no_more_is_lost_than_must_be(world: Any, kind: str, tight: float) -> None:
    prompts = write(change(SPECS[kind], budget=5000), world)
    made = tokenizer(prompts)
    full = lengths(prompts, made)
    budget = int(max(full) * tight)
    settled = settle(with_budget(prompts, budget), made)
    short = lengths(settled, made)
    assert max(short) <= budget and settled.facts["settled"]["splits"]["train"]["tokens_max"] <= budget
    layout = prompts.layout
    for before, after, text, old, flat in zip(
        full, short, settled.table["prompt"], prompts.table["prompt"], layout["droppable"].to_list(), strict=True
    ):
        assert (text == old) == (before <= budget)
        if before > budget:  # what was cut out last would not have fitted
            spans = list(zip(flat[::2], flat[1::2], strict=True))
            cut = [n for n in range(len(spans) + 1) if without(old, spans[:n]) == text]
            assert len(cut) == 1 and cut[0] > 0 and after <= budget
            assert count_tokens(made, [without(old, spans[: cut[0] - 1])])[0] > budget


@pytest.mark.parametrize("guess", [lambda cut: 1, lambda cut: len(cut.droppable)], ids=["too few", "too many"])
def test_the_first_guess_does_not_matter(roomy: Prompts, guess: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tokenizer(roomy)
    tight = with_budget(roomy, int(max(lengths(roomy, made)) * 0.7))
    expected = settle(tight, made)
    monkeypatch.setattr(settling, "_guess", lambda cut, excess, tokenizer: guess(cut))
    assert settle(tight, made).table.equals(expected.table)


def without(text: str, spans: list[tuple[int, int]]) -> str:
    for begin, end in sorted(spans, reverse=True):
        text = text[:begin] + text[end:]
    return text.rstrip(" ")


def test_visits_go_before_candidates_and_the_question_stays(roomy: Prompts) -> None:
    made = tokenizer(roomy)
    bare = min(lengths(roomy, made))
    seen = set()
    for budget in range(bare, max(lengths(roomy, made)), 25):
        settled = settle(with_budget(roomy, budget), made)
        for text, layout in zip(settled.table["prompt"], roomy.layout.iter_rows(named=True), strict=True):
            earlier, _, rest = text.partition("Visits of this trip:\n")
            trip, _, rest = rest.partition("Places that may be next:\n")
            places, now, question = rest.partition("Now it is")
            visits = earlier.count("\n") - 2 + trip.count("\n")
            assert now and question.endswith("as IDs and nothing else.\nAnswer:")
            if places.count("\n") < layout["candidates"]:
                assert visits == 0, "candidates go only when no visit is left"
                seen.add("candidates")
            elif visits < layout["visits"]:
                seen.add("visits")
    assert seen == {"visits", "candidates"}


def test_what_was_lost_is_counted_and_told(roomy: Prompts, caplog: pytest.LogCaptureFixture) -> None:
    made = tokenizer(roomy)
    budget = max(lengths(roomy, made)) - 1
    with caplog.at_level("INFO", "refinepoi"):
        settled = settle(with_budget(roomy, budget), made)
    report = settled.facts["settled"]["splits"]
    assert sum(row["prompts_shortened"] for row in report.values()) >= 1
    lines = sum(text.count("\n") for text in roomy.table["prompt"])
    left = sum(text.count("\n") for text in settled.table["prompt"])
    assert sum(row["dropped_visits"] + row["dropped_candidates"] for row in report.values()) == lines - left > 0
    assert f"prompt.budget={budget} tokens" in caplog.text and f"{lines - left} visits" in caplog.text


def test_a_budget_below_the_question_is_refused(roomy: Prompts) -> None:
    with pytest.raises(UserError, match=r"prompt\.budget: 9 tokens, but an empty prompt has up to \d+ of the model's"):
        settle(with_budget(roomy, 9), tokenizer(roomy))


@pytest.mark.parametrize("reasoning", [False, True])
def test_a_chat_template_frames_system_and_question(roomy: Prompts, reasoning: bool) -> None:
    made = tokenizer(roomy, CHATML)
    prompts = replace(roomy, facts=roomy.facts | {"reasoning": reasoning})
    settled = settle(prompts, made)
    assert settled.facts["settled"]["chat"]
    for text, old in zip(settled.table["prompt"], roomy.table["prompt"], strict=True):
        task, _, question = old.partition("\n")
        end = "" if reasoning else "<think>\n\n</think>\n\n"
        assert text == (
            f"<|im_start|>system\n{task}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{end}"
        )
    tokens = made(settled.table["prompt"][0])["input_ids"]
    assert tokens.count(made.convert_tokens_to_ids("<|im_start|>")) == 3


def test_a_chat_template_counts_against_the_budget(roomy: Prompts) -> None:
    made = tokenizer(roomy, CHATML)
    budget = max(lengths(roomy, tokenizer(roomy)))
    settled = settle(with_budget(roomy, budget), made)
    assert max(lengths(settled, made)) <= budget
    assert settled.facts["settled"]["splits"]["train"]["prompts_shortened"] + sum(
        settled.facts["settled"]["splits"][split]["prompts_shortened"] for split in ("validation", "test")
    )


def test_chat_off_is_plain_text(roomy: Prompts) -> None:
    made = tokenizer(roomy, CHATML)
    plain = settle(replace(roomy, facts=roomy.facts | {"chat": "off"}), made)
    assert plain.table.equals(roomy.table) and not plain.facts["settled"]["chat"]


def test_a_template_without_system_messages_takes_the_task_into_the_question(roomy: Prompts) -> None:
    made = tokenizer(roomy, NO_SYSTEM)
    text = settle(roomy, made).table["prompt"][0]
    assert text == f"<|bos|>[user] {roomy.table['prompt'][0]}"


def test_the_first_token_is_not_doubled(roomy: Prompts) -> None:
    made = tokenizer(roomy, NO_SYSTEM, bos=True)
    for text in settle(roomy, made).table["prompt"][:5]:
        assert made(text)["input_ids"].count(made.bos_token_id) == 1


def test_settled_twice_is_settled_once(roomy: Prompts) -> None:
    made = tokenizer(roomy, CHATML)
    once = settle(with_budget(roomy, 600), made)
    assert settle(once, made) is once
    rows = roomy.table.filter(pl.col("split") == 2)
    alone = settle(replace(with_budget(roomy, 600), table=rows), made)
    assert alone.table.equals(once.table.filter(pl.col("split") == 2)), "queries do not depend on one another"


def test_no_blank_is_left_where_the_last_piece_was() -> None:
    cut = Cut("Be brief. Seen: gym bar", 10, ((16, 20), (20, 23)))
    assert [cut.without(count)[1] for count in range(3)] == ["Seen: gym bar", "Seen: bar", "Seen:"]
