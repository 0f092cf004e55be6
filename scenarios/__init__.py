"""The language of scenarios, what runs them, the library of scenario files, and the command line."""
