"""`python -m mmrag` is `mmrag`."""

import sys

from mmrag.cli import main

if __name__ == "__main__":
    sys.exit(main())
