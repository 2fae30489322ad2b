"""The command line: words in, words out, one file a command group."""
