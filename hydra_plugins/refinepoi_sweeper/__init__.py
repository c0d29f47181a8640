"""`hydra/sweeper=distinct`. Hydra takes sweepers from the namespace package `hydra_plugins` only, so it stands here."""
