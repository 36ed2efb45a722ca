"""What lies in a folder of weights, and the network built from it, strictly."""
