"""`python -m resay` is `resay`."""

import sys

from .cli import main

sys.exit(main())
