"""`python -m dnastudy.chapters.refresh [NOTEBOOK ...]`: run source notebooks in place and store their outputs."""

import sys

from dnastudy.chapters.run import find_chapters, find_root, refresh_sources
from dnastudy.display.terminal import say

if __name__ == "__main__":
    for path in sys.argv[1:] or find_chapters(find_root()).values():
        say(f"run {path}")
        refresh_sources([path])
