"""A language model's answers, each asked for once: kept beside the store under the hash of question and settings.

Two writers: any OpenAI-compatible server, or a model folder on this machine. The key of a server is read from the
environment when it is needed and stands in no setting, file or log.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from refinepoi.core.errors import UserError
from refinepoi.core.model_folder import reading
from refinepoi.core.spec import digest
from refinepoi.core.stage import Context
from refinepoi.core.store import write_durably
from refinepoi.profile.spec import Endpoint, LlmProfiles, LocalWriter

FOLDER = ".answers"
Writer = Callable[[str], str]


def answers(context: Context, spec: Any, questions: Sequence[str]) -> Iterable[str]:
    """The answer to each question, in their order; a question that stands there twice is asked once."""
    if not isinstance(spec, LlmProfiles):
        raise TypeError(f"profile={spec.kind} asks nobody")
    folder = Path(context.runtime.store) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # what an answer depends on; not how patiently or how often at a time one asks
    asking: dict[str, Any] = spec.writer.identity()
    if isinstance(spec.writer, LocalWriter):
        asking["way"] = 2  # raised when `local_writer` asks in another way
    settings = [asking, spec.temperature, spec.answer_tokens]
    files = {question: folder / f"{digest([*settings, question])}.json" for question in questions}
    missing = [question for question, file in files.items() if not file.exists()]
    if missing:
        _ask(context, spec, missing, files)
    return [json.loads(files[question].read_text(encoding="utf-8"))["answer"] for question in questions]


def _ask(context: Context, spec: LlmProfiles, questions: list[str], files: dict[str, Path]) -> None:
    write = (
        endpoint_writer(spec, spec.writer)
        if isinstance(spec.writer, Endpoint)
        else local_writer(spec, spec.writer, context.runtime.device)
    )

    def ask(question: str) -> None:
        write_durably(files[question], json.dumps({"question": question, "answer": write(question)}))

    workers = spec.writer.parallel if isinstance(spec.writer, Endpoint) else 1
    with ThreadPoolExecutor(workers) as pool, context.progress(total=len(questions), unit="profile") as bar:
        for _ in pool.map(ask, questions):  # after a failure none is begun; what was answered so far is kept
            bar.update(1)


def endpoint_writer(spec: LlmProfiles, server: Endpoint) -> Writer:
    """Asks an OpenAI-compatible server. Busy and failing servers (429, 5xx) are asked again, with growing pauses."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    headers = {}
    if server.key_variable is not None:
        if problems := server.problems():
            raise UserError(problems[0])
        headers["Authorization"] = f"Bearer {os.environ[server.key_variable]}"
    again = Retry(
        total=server.retries, backoff_factor=0.5, backoff_max=30, status_forcelist=(408, 409, 429, 500, 502, 503, 504),
        allowed_methods=["POST"], raise_on_status=False,
    )  # fmt: skip
    url = f"{server.url.rstrip('/')}/chat/completions"

    def write(question: str) -> str:
        body: Any = {
            "model": server.model,
            "messages": [{"role": "user", "content": question}],
            "temperature": spec.temperature,
            "max_tokens": spec.answer_tokens,
        }
        with requests.Session() as session:
            session.auth = _as_it_is  # otherwise a .netrc of the user replaces the key
            session.mount(url, HTTPAdapter(max_retries=again))
            try:
                reply = session.post(url, json=body, headers=headers, timeout=server.timeout, allow_redirects=False)
                if not reply.ok:
                    raise UserError(
                        f"profile.writer.url: {url} answered {reply.status_code} {reply.reason}; {_hint(reply)}"
                    )
                return str(reply.json()["choices"][0]["message"]["content"] or "")
            except requests.RequestException as error:
                raise UserError(f"profile.writer.url: {url} cannot be asked ({type(error).__name__})") from None
            except (ValueError, KeyError, IndexError, TypeError) as error:
                raise UserError(f"profile.writer.url: {url} gave no chat completion ({type(error).__name__})") from None

    return write


def _as_it_is(request: Any) -> Any:
    return request


def _hint(reply: Any) -> str:
    if reply.status_code in (401, 403):
        return "is the key in the environment variable of profile.writer.key_variable right?"
    return "is it an OpenAI-compatible server, url up to /v1, and does it have profile.writer.model?"


def local_writer(spec: LlmProfiles, local: LocalWriter, device: str) -> Writer:
    """Asks a model folder, in its chat template where it has one. Nothing is fetched, no code in the folder is run.

    Whatever sampling the folder recommends is replaced by ours; of its generation settings only the end marks count.
    device: of `runtime`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from refinepoi.core.seeding import seed_torch

    offline: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    folder = Path(local.path).expanduser()
    with reading(folder, "profile.writer.path"):
        tokenizer = AutoTokenizer.from_pretrained(folder, **offline)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **offline, use_safetensors=True, dtype=torch.float32)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    ends = model.generation_config.eos_token_id
    sampling = {"temperature": spec.temperature, "top_p": 1.0, "top_k": 0} if spec.temperature else {}
    model.generation_config = GenerationConfig(
        do_sample=bool(sampling),
        **sampling,
        num_beams=1,
        repetition_penalty=1.0,
        max_new_tokens=spec.answer_tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if ends is not None else tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
    )

    @torch.no_grad()
    def write(question: str) -> str:
        text = question
        if getattr(tokenizer, "chat_template", None):
            text = str(tokenizer.apply_chat_template(
                [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True,
                enable_thinking=False,
            ))  # fmt: skip
        read = tokenizer(text, return_tensors="pt").to(device)
        seed_torch(0)  # each answer by itself, whatever was asked before
        made = model.generate(**read)
        return str(tokenizer.decode(made[0, read["input_ids"].shape[1] :], skip_special_tokens=True))

    return write
