"""``python -m sdcolab``."""

from __future__ import annotations

import sys

from sdcolab.cli import main

sys.exit(main())
