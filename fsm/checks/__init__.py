"""What is wrong with a machine although it loads."""
