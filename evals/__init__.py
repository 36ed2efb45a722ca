"""The measure: tasks, scorers, and the procedural tabletop world."""
