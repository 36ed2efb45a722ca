"""What the world answers: specialists, the image store, and the dispatchers that reach them."""
