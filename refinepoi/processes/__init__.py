"""Training a language model in several processes: a stage runs as a child job under `accelerate launch`.

The parent (`launch.py`) freezes the stage, its specs, its inputs' folders and the runtime into a job folder (`job.py`),
writes the accelerate configuration (`accelerate_config.py`), starts N ranks of `python -m refinepoi.processes FOLDER`
(`child.py`), shows what rank 0 reports (`events.py`), hands signals on, and turns a failing rank into an error. Each
rank runs the very function that one process would run, with a Context that knows its rank; rank 0 writes.
The store publishes afterwards, as ever. Nothing here enters an artifact's key.
"""
