"""The five verbs. A command's module imports nothing heavy before it is called."""
