"""`conf/runtime/default.yaml` for tests: one quiet CPU thread, no store of its own."""

import json
from typing import Any

from options import option

from refinepoi.core.runtime import Runtime


def runtime(**changes: Any) -> Runtime:
    quiet = {"device": "cpu", "threads": 1, "progress": False, "store": "unused"}
    return Runtime.model_validate_json(json.dumps({**option("runtime", "default"), **quiet, **changes}))
