"""The car's ends to the world outside: cameras, the ego's own state, the route, the actuators."""
