class BadInput(Exception):
    """A mistake that the user can correct: the message names the file or parameter and says what would be right."""


class NotInstalled(BadInput):
    """What an optional library would read, so that it may be right as it is."""


def printable(text: str) -> str:
    """Text from others for a terminal: signs that it might obey, such as escapes, are spelled out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
