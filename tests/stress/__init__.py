"""What is promised of kills, damaged files and two processes at once, tried many times."""
