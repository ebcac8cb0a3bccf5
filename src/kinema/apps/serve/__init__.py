"""`kinema serve`: the verbs over HTTP, in the Motion Model Context Protocol (MMCP), for Blender and other tools."""
