"""The base of all errors that a user can mend; the command line prints them as one message."""


class StudyError(Exception):
    """Something given to the project is not as it must be; the message says what, where, and the way out."""


class ModelError(StudyError, ValueError):
    """A model that cannot be made, trained, loaded or used as asked; the message says what to do."""
