"""Errors a user can act on: they end the program with exit code 2 and one line, never a traceback."""


class UserError(Exception):
    """
    Something in the input or the settings is wrong. The message names the place, the value seen and the remedy. Text of
    data files may stand in it, so control characters, which a terminal would obey, are shown as escapes.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


class DataError(UserError):
    """A data file cannot be used as it is. The message names the file and the line."""
