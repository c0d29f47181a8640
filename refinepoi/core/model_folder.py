"""A Hugging Face folder of a causal LM that a setting names: is it whole, what is in it, and can it be read?

Its content, not its path, is part of an artifact's identity: other weights in the same folder are another model, and
the same ones in another folder are the same.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from refinepoi.core.errors import UserError

INDEX = "model.safetensors.index.json"
WEIGHTS = ("config.json", "*.safetensors")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
READ = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "vocab.txt", "merges.txt")


def missing_part(folder: Path) -> str | None:
    """What a model folder lacks, in words. Looks at names only."""
    if not any(folder.glob("*.safetensors")) and (folder / "config.json").is_file():
        return "safetensors weights"
    for needed in sorted({"config.json", *_shards(folder)}):
        if not (folder / needed).is_file():
            return needed
    return None if any((folder / name).is_file() for name in TOKENIZERS) else "tokenizer"


def folder_problems(setting: str, path: str) -> list[str]:
    """A line, or nothing. setting: as a user writes it."""
    folder = Path(path).expanduser()
    if (missing := missing_part(folder)) is None:
        return []
    return [
        f"{setting}: no model in {path!r}, it has no {missing}; give a Hugging Face folder that holds config.json, "
        "safetensors weights and the tokenizer"
    ]


def digest_of(folder: Path, patterns: tuple[str, ...] = WEIGHTS) -> str:
    """sha256 over the files of these patterns, by name and content. Each is read once per process and state."""
    files = sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})
    total = hashlib.sha256()
    for file in files:
        state = file.stat()
        total.update(file.name.encode() + b"\0" + _sha256(str(file.resolve()), state.st_size, state.st_mtime_ns))
    return total.hexdigest()


def content_of(path: str) -> str:
    """Digest of all that is read of a model folder; empty where there is none."""
    folder = Path(path).expanduser()
    return digest_of(folder, READ) if (folder / "config.json").is_file() else ""


@contextmanager
def reading(folder: Path | str, setting: str) -> Iterator[None]:
    """Whatever a library says of a broken folder, as a UserError that names the setting."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # tokenizers raise bare ones, safetensors and the config's checks their own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{setting}: {folder} cannot be loaded as a causal LM ({reason})") from error


def _shards(folder: Path) -> set[str]:
    """Weight files that the index names."""
    try:
        return set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


@cache
def _sha256(name: str, size: int, modified: int) -> bytes:
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def whole_words(path: str) -> frozenset[str] | None:
    """The vocabulary of a folder whose tokenizer knows whole words only, as those of models from scratch; else None."""
    try:
        content = json.loads((Path(path).expanduser() / "tokenizer.json").read_text(encoding="utf-8"))
        if content["model"]["type"] != "WordLevel":
            return None
        return frozenset(content["model"]["vocab"]).union(token["content"] for token in content["added_tokens"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # whoever loads it says what is wrong
