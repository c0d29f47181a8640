"""Where a pretrained model lies: a folder, or the Hub's cache, filled from the Hub where the network allows it.

Every policy of a pretrained model says what it began as, and one that is an adapter needs its base again. `Base` says
which one it was: where it came from and the sha256 of what it consists of, so that an adapter is never put on other
weights than those it was trained on.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from refinepoi.core.errors import UserError
from refinepoi.core.model_folder import INDEX, digest_of, missing_part
from refinepoi.core.store import write_durably
from refinepoi.model.spec import COMMIT

FILE = "base.json"
WANTED = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "LICENSE*")


@dataclass(frozen=True)
class Base:
    """
    name, revision: on the Hub (revision: the commit, also where a branch was asked for).  path: where it is a folder.
    digest: sha256 over config and weights.  bits: 4 where the weights were quantised, 32 else.
    """

    name: str | None
    revision: str | None
    path: str | None
    digest: str
    bits: int

    @classmethod
    def of(cls, name: str | None, revision: str | None, path: str | None, bits: int) -> "tuple[Self, Path]":
        """The base and its folder."""
        if path is not None:
            folder = Path(path).expanduser().absolute()
            require_weights(folder, "model.path")
            return cls(name, None, str(folder), digest_of(folder), bits), folder
        folder = fetched(name or "", revision or "")
        return cls(name, folder.name, None, digest_of(folder), bits), folder

    def found(self) -> Path:
        """The folder of this base, checked. Raises where it is gone or holds something else."""
        if self.path is not None:
            folder, what = Path(self.path), f"model.path={self.path}"
            require_weights(folder, f"policy: the base of its adapter, {what}")
        else:
            folder, what = fetched(self.name or "", self.revision or ""), f"{self.name} at {self.revision}"
        if digest_of(folder) != self.digest:
            raise UserError(
                f"policy: its adapter was trained on other weights than {what} holds now (sha256 "
                f"{digest_of(folder)[:12]}, was {self.digest[:12]}); put the old ones back, or train again"
            )
        return folder

    def write(self, folder: Path) -> None:
        write_durably(folder / FILE, json.dumps(asdict(self), indent=1, sort_keys=True))

    @classmethod
    def read(cls, folder: Path) -> Self:
        try:
            return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"policy: {folder} holds an adapter without a readable {FILE}, so its base is not known; "
                "give a policy that refinepoi wrote"
            ) from error


def require_weights(folder: Path, setting: str) -> None:
    """setting: what to name in the error."""
    if (missing := missing_part(folder)) is not None:
        raise UserError(f"{setting}: {folder} has no {missing}; expected a Hugging Face folder of a causal LM")


def fetched(name: str, revision: str) -> Path:
    """The model's folder in the Hub's cache, fetched where it is not whole there. Cached commits need no network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if COMMIT.fullmatch(revision) and is_whole(folder):
            return folder
    except (LocalEntryNotFoundError, OSError):
        pass
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(WANTED)))
    except GatedRepoError as error:
        raise UserError(
            f"model.name: {name} is given out under a licence that must be accepted first; accept it on the model's "
            "page, then log in with: hf auth login"
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(missing_text(name, revision)) from error
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"model.name, model.revision: the Hub gives no {name} at {revision} ({reason})") from error
    except (OSError, ValueError) as error:
        raise UserError(missing_text(name, revision)) from error
    if not is_whole(folder):  # what the cache holds is given back where there is no network
        raise UserError(missing_text(name, revision))
    return folder


def is_whole(folder: Path) -> bool:
    """Whether config, tokenizer and every weight file are there: a download may have stopped half way."""
    index = folder / INDEX
    try:
        shards = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all((folder / file).is_file() for file in {"config.json", "tokenizer.json", *shards})


def missing(name: str, revision: str) -> list[str]:
    """A problem where the cache does not hold the model; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    there = isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    return [] if there else [missing_text(name, revision)]


def missing_text(name: str, revision: str) -> str:
    return (
        f"model.name: {name} at {revision} is not in the cache and the Hub cannot be reached; where there is a "
        f"network, run: hf download {name} --revision {revision}  (and copy ~/.cache/huggingface), or give "
        "model.path=FOLDER"
    )
