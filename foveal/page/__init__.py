"""The page to look at: a recorded run as one HTML file, and the same in a browser while it happens."""
