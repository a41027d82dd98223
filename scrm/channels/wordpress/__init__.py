"""WordPress: our own blog, its posts and comments, by REST with an application password."""
