"""python -m inlay"""

import sys

from inlay.cli.main import main

sys.exit(main())
