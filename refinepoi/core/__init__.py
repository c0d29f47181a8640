"""Spec, stage, store, tracking, runtime: what a run is made of. Knows nothing about places."""
