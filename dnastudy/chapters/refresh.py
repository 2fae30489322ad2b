"""`python -m dnastudy.chapters.refresh [NOTEBOOK ...]`: run the source notebooks in place and store what nbval compares."""

import sys

from dnastudy.chapters.run import find_chapters, find_root, refresh_sources
from dnastudy.display.terminal import say

if __name__ == "__main__":
    for path in sys.argv[1:] or find_chapters(find_root()).values():
        say(f"run {path}")
        refresh_sources([path])
