"""Every reachable state of a space, what holds there, and the shortest story of what does not."""
