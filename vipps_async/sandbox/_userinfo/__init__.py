"""The Userinfo API of the sandbox."""
