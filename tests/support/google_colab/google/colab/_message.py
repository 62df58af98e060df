"""The error of a request that the browser answered with an error."""


class MessageError(Exception):
    """Raised with the browser's text."""
