"""`python -m refinepoi.processes FOLDER`: one rank. Started by `accelerate launch`, never by hand."""

import sys
from pathlib import Path

from refinepoi.processes.child import main

main(Path(sys.argv[1]))
