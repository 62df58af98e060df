"""Stand-in for google.colab that follows hechos/lanzadores.md 5a-5c: same signatures, exceptions and texts.

What it does is chosen by environment variables, because the notebook test runs it inside a kernel:
``STANDIN_DRIVE`` = a key of ``drive.FAILURES`` or empty (mounts), ``STANDIN_DRIVE_FOLDER`` = where "Drive" really is,
``STANDIN_SECRETS`` = JSON object of secrets, ``STANDIN_SECRETS_DENIED`` and ``STANDIN_SECRETS_SILENT`` = names with
commas between them, ``STANDIN_PROXY`` = "no" when the browser does not answer.
"""
