"""The least budget of `question`: what a prompt has that shows no visit, no candidate and no profile."""

from refinepoi.prompt.pieces import token_count
from refinepoi.prompt.question import (
    AFTER,
    CHOICES,
    GAP_PHRASES,
    LONG_TERM,
    NOW,
    SHORT_TERM,
    TASK,
    WEEKDAYS,
    asks,
)
from refinepoi.prompt.settle import Chat, count_tokens
from refinepoi.prompt.spec import QuestionPrompt


def least_tokens(spec: QuestionPrompt, known: bool, folder: str | None) -> int:
    """Tokens of an empty prompt.

    known: whether prompts tell the target's time. folder: of the pretrained model whose tokenizer counts; None, or one
    that has no tokenizer: words, which are never more.
    """
    time = f"{NOW} {WEEKDAYS[0]} 12:00 {AFTER.format(GAP_PHRASES[1])}\n" if known else ""
    text = LONG_TERM + SHORT_TERM + (CHOICES if spec.candidates else "") + time + asks(spec)
    if folder is not None:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError):
            return token_count(TASK + text)  # what is wrong with the folder is said where the model is loaded
        chat = Chat.of(tokenizer, {"chat": spec.chat, "reasoning": spec.reasoning})
        return int(count_tokens(tokenizer, [chat.render(TASK, text)])[0])
    return token_count(TASK + text)
