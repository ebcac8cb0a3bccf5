"""`kinema mcp`: the verbs as tools for agents (Model Context Protocol), on files below one folder."""
