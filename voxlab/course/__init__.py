"""A student's way through the course: copies of the lessons to work in, predictions, progress."""
