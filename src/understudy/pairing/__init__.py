"""What two sites agree on that serve one another: certificates, registration keys, credentials, and the words between them."""
