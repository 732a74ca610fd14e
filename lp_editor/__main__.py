"""``python -m lp_editor``: the command line."""

import sys

from lp_editor.cli import main

sys.exit(main())
