"""Pages of one file: data that cannot end its script element, and a policy that lets no other script or style run."""

import base64
import hashlib
import json
from typing import Any

_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def in_script(value: Any) -> str:
    """JSON in which no character can end the script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPED)


def source(text: str) -> str:
    """The content security policy's name of an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def assemble(body: str, style: str, script: str, data: Any) -> str:
    """The page: `body` with `__POLICY__`, `__STYLE__`, `__SCRIPT__` and `__DATA__` filled in."""
    policy = f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; base-uri 'none'"
    parts = {"POLICY": policy, "STYLE": style, "SCRIPT": script, "DATA": in_script(data)}
    for name, text in parts.items():  # DATA last: nothing is looked for in it
        body = body.replace(f"__{name}__", text, 1)
    return body
