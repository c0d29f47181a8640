"""Evidence: for every query its candidates and what counting knows of them, causally (docs/method.md section 5).

One vectorised pass over the check-ins serves the baselines (which rank by it), the prompts (which show it) and the
evaluation (which explains by it). A query sees only check-ins strictly earlier than its target: its user's own, under
the history setting of docs/method.md section 4, and the training check-ins of everybody. The list of counters follows
section 5; widths, the cheap order of the candidates and the pool sizes are our own and named in `conf/evidence`.
"""
