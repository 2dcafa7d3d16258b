"""From predictions and the route to a timed trajectory."""
