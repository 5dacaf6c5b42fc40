"""Identity: who asks, by bearer token, and what that role may do to whose objects."""
