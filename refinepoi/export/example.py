"""Asks this model for places: a list of semantic IDs that all exist, none twice.

    python example.py PROMPT.txt           asks this prompt; without it that of example.json, where one is there
    python example.py PROMPT.txt --free    lets the model write what it likes
Needs torch and transformers, and the files beside this one.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("prompt", nargs="?", type=Path)
    arguments.add_argument("--free", action="store_true")
    chosen = arguments.parse_args()
    settings = json.loads((HERE / "example.json").read_text(encoding="utf-8"))
    if chosen.prompt is None and "prompt" not in settings:
        arguments.error("example.json holds no prompt, since prompts tell of users; give a file with one: PROMPT.txt")
    prompt = chosen.prompt.read_text(encoding="utf-8").rstrip("\n") if chosen.prompt else settings["prompt"]
    from transformers import AutoModelForCausalLM, AutoTokenizer  # slow: after what can be wrong

    with open(HERE / "ids.csv", encoding="utf-8", newline="") as file:
        places = list(csv.DictReader(file))
    tokenizer = AutoTokenizer.from_pretrained(HERE)
    model: Any = AutoModelForCausalLM.from_pretrained(HERE)
    print(prompt, end="\n\n")
    if chosen.free:
        inputs = tokenizer(prompt, return_tensors="pt")
        answer = model.generate(**inputs, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        print(tokenizer.decode(answer, skip_special_tokens=True))
        return
    for rank, row in enumerate(list_places(model, tokenizer, places, prompt, settings["list_length"]), 1):
        place = places[row]
        print(rank, place["semantic_id"], place["poi_id"], place["category"], place["latitude"], place["longitude"])


def list_places(model: Any, tokenizer: Any, places: list[dict[str, str]], prompt: str, length: int) -> list[int]:
    """Row numbers of `places`, best first: the greedy list among IDs of the table that are not in it yet."""
    ids = [tuple(tokenizer.encode(place["semantic_id"], add_special_tokens=False)) for place in places]
    levels = len(ids[0])
    inputs = tokenizer(prompt, return_tensors="pt")
    start = inputs["input_ids"].shape[1]

    def allowed(_: int, tokens: Any) -> list[int]:
        written = tokens[start:].tolist()
        items = [tuple(written[n : n + levels]) for n in range(0, len(written), levels)]
        begun = items.pop() if items and len(items[-1]) < levels else ()
        left = set(ids) - set(items)
        return sorted({item[len(begun)] for item in left if item[: len(begun)] == begun})

    answer = model.generate(
        **inputs, do_sample=False, max_new_tokens=length * levels, prefix_allowed_tokens_fn=allowed
    )[0, start:].tolist()
    return [ids.index(tuple(answer[n : n + levels])) for n in range(0, len(answer), levels)]


if __name__ == "__main__":
    main()
