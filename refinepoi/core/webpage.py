"""Pages of one file: data that cannot end its script element, and a policy that lets no other script or style run."""

import base64
import hashlib
import json
import re
from typing import Any

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="__POLICY__">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>__TITLE__</title>
<style>__STYLE__</style>
</head>
<body>
__BODY__<script id="data" type="application/json">__DATA__</script>
<script type="module">__SCRIPT__</script>
</body>
</html>
"""
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def in_script(value: Any) -> str:
    """JSON in which no character can end the script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPED)


def source(text: str) -> str:
    """The content security policy's name of an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def assemble(title: str, body: str, style: str, script: str, data: Any) -> str:
    """The page. title, body: HTML, as they are. The script is a module; it finds the data in the element `data`."""
    policy = f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; base-uri 'none'"
    parts = {"POLICY": policy, "TITLE": title, "STYLE": style, "BODY": body, "SCRIPT": script, "DATA": in_script(data)}
    return re.sub("__([A-Z]+)__", lambda found: parts[found[1]], _PAGE)
