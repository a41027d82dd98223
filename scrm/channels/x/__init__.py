"""X (formerly Twitter): posts, mentions and direct messages, through the paid X API v2."""
