"""Runs the user's own reward and holds it to the rules of all terms: one number in [0, 1] for each answer.

    def my_reward(answers, target, places):
        '''One number in [0, 1] for each of the n answers.

        answers.items: int [n, m], the listed places (rows of `places.table`); -1 for an invalid ID, -2 after the end.
        answers.look_up(column, otherwise): [n, m], column [P] at each listed place, `otherwise` where there is none.
        answers.listed, answers.places: [n], how many entries, and how many different places.
        target: int [n], the place that was visited.
        places.table: one row a place (poi_id, category, latitude, longitude); places.category, places.visits: [P].
        '''
        first = answers.look_up(places.category, -1)[:, 0]
        return (first == places.category[target]) & (first >= 0)

Like every term it pays nothing for a worthless answer (`Answers.worthless`), whatever the function returns.
With `grpo.credit=item` it is asked about the first 1, 2, .., k entries of each list, too.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from refinepoi.core.errors import UserError
from refinepoi.reward.answers import Answers, Ints
from refinepoi.reward.places import Places
from refinepoi.reward.terms import Values, paid
from refinepoi.reward.user_spec import KEY, UserReward, digest_of_bytes


def load_user_reward(spec: UserReward) -> Callable[[Answers, Ints, Places], Values]:
    """The user's function, checked at each call. Executes the file. Raises UserError where that fails."""
    if problems := spec.problems():
        raise UserError(problems[0])
    function = _execute(spec)
    where = f"{KEY}: {spec.function} of {spec.file!r}"

    def checked(answers: Answers, target: Ints, places: Places) -> Values:
        try:
            values = np.asarray(function(answers, target, places), np.float64)
        except Exception as error:
            raise UserError(f"{where} failed ({type(error).__name__}: {error}); correct it") from error
        if values.shape != (len(answers.items),):
            raise UserError(
                f"{where} returned shape {values.shape} for {len(answers.items)} answers; return one number for each"
            )
        bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if bad.size:
            raise UserError(
                f"{where} returned {values[bad[0]]} for answer {bad[0]} {answers.items[bad[0]].tolist()}; "
                "return numbers from 0 to 1"
            )
        return paid(answers, values)

    return checked


def _execute(spec: UserReward) -> Callable[..., Any]:
    """Runs the very bytes that the settings name: no import, which could take a stale compiled file instead."""
    path = Path(spec.file).absolute()
    source = path.read_bytes()
    if digest_of_bytes(source) != spec.content:
        raise UserError(f"{KEY}.file: {spec.file!r} has changed since these settings were read; start the run again")
    module = ModuleType(f"user_reward_{spec.content}")
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        raise UserError(f"{KEY}.file: {spec.file!r} failed ({type(error).__name__}: {error}); correct it") from error
    function: Callable[..., Any] = getattr(module, spec.function)
    return function
