"""From detections to tracks: objects keep their identity from picture to picture."""
