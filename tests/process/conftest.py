"""Fixtures of the tests of child processes."""

from support.processes import child_environ, frpc

__all__ = ["child_environ", "frpc"]
