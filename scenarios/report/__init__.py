"""What a drive looked like: the video and the panels that the car adds to a report."""
