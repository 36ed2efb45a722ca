"""Speed: every row is a ratio from one run, in which ours and how others do it take turns."""
