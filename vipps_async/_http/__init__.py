"""Calls over HTTP: a call as a value, reply decoding, retry, token, session."""
