"""Bluesky: mentions, replies, searches and direct messages by XRPC, with an app password."""
