class BadInput(Exception):
    """A mistake that the user can correct: the message names the file or parameter and says what would be right."""


class NotInstalled(BadInput):
    """What an optional library would read, so that it may be right as it is."""
