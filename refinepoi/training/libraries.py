"""The trainers' library, imported once without its greeting.

transformers prints a line on standard output when its module of integrations is first imported under
WANDB_MODE=offline, whether or not anything is logged through it. The console is ours, and where logs go our own tracker
says: that one import is therefore made here, its output put aside. Stages that train import this before any trainer.
"""

import io
from contextlib import redirect_stdout

with redirect_stdout(io.StringIO()):
    import transformers.integrations.integration_utils  # noqa: F401
