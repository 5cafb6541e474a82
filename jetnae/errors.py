"""What jetnae tells its user when something about the input is wrong: one line, with what to do next."""


class JetnaeError(Exception):
    """An expected failure; the command line prints its message as one line and exits with `exit_code`."""

    exit_code = 2


class InputError(JetnaeError):
    """An input file, option or configuration that cannot be used as it is."""


class OutputError(InputError):
    """An output that cannot be written, as on a full disk."""


class MissingExtraError(InputError):
    """A command needs an optional dependency that is not installed."""


class NotConvergedError(JetnaeError):
    """A fit that found no minimum; `last` is where it stopped."""

    exit_code = 4

    def __init__(self, message: str, last: object = None) -> None:
        super().__init__(message)
        self.last = last


class ParityError(JetnaeError):
    """Another form of a model that does not score as the model does."""

    exit_code = 4
