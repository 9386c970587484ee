"""The verbs of the command line: each calls one stage and prints what came of it."""
