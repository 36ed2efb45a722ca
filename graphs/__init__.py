"""The loop: think, perceive, conclude."""
