"""The command line: verdicts, exit codes, and what it says about mistakes."""
