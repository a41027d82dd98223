"""WordPress: our own blog, its posts and its comments, by REST with an application password."""
