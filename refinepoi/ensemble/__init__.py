"""The language model's opinion and counting, mixed log-linearly (docs/method.md section 5): one more row of the table.

Each candidate gets the policy's exact likelihood as a counter beside the others; a conditional logit weighs them on
validation samples. The policy itself is not changed, and the row says what it adds to counting, and counting to it.
"""
