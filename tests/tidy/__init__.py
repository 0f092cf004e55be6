"""Style as tests: what STYLE and ARCHITECTURE promise about this repository's files, read from the files themselves."""
