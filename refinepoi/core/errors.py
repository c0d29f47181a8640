"""Errors a user can act on: they end the program with exit code 2 and one line, never a traceback."""


class UserError(Exception):
    """Something in the input or the settings is wrong. The message names the place, the value seen and the remedy."""


class DataError(UserError):
    """A data file cannot be used as it is. The message names the file and the line."""
