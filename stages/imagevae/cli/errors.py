class BadInput(Exception):
    """What the user can mend: the message names the file or parameter and says what would be right."""
