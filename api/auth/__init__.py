"""Sign-in: accounts of the installation and an identity provider."""
