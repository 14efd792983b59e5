"""Sign-in: accounts, sessions, tokens, and an identity provider."""
