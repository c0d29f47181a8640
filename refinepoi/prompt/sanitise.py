"""Text from data files (category names, place names) or a model (profiles), made harmless before it enters a prompt.

No character that could open or close a semantic-ID token or a special token survives (`<`, `>`, `[`, `]` and whatever
Unicode normalisation turns into them), nor a control character or a newline, so data cannot speak as the template.
"""

import unicodedata

LONGEST = 60  # characters: a name is a label, not a place for an essay
LONGEST_PROFILE = 4000
_BRACKETS = {"<": "(", ">": ")", "[": "(", "]": ")", "{": "(", "}": ")", "|": "/"}


def sanitise(text: str, longest: int = LONGEST) -> str:
    """A single line of plain words of at most `longest` characters; `unknown` where nothing is left."""
    characters = (_harmless(character) for character in unicodedata.normalize("NFC", text))
    line = " ".join("".join(characters).split())[:longest].rstrip()
    return unicodedata.normalize("NFC", line) or "unknown"


def _harmless(character: str) -> str:
    if unicodedata.category(character)[0] in "CZ":  # controls, format marks, surrogates, all kinds of blanks
        return " "
    # what a tokenizer's own normaliser could make of it: a full-width or a struck-out "<" becomes a plain one
    for plain in unicodedata.normalize("NFKD", character):
        if plain in _BRACKETS:
            return _BRACKETS[plain]
    return character
