"""Everything that is reached over HTTP: the API, the sandbox's own surface, and pages for people."""
