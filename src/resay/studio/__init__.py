"""The page for people without a terminal: `mounting.mount` puts it on a server, and it speaks through the server."""
