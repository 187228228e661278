class BadInput(Exception):
    """A mistake that the user can correct: the message names the file or parameter and says what would be right."""
