"""Mastodon: reads mentions, hashtags, lists and searches, and posts, replies and moderates."""
