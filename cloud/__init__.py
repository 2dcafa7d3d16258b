"""What runs off the car, and the car's side of it: links, protocol, speculation, trust. Imports nothing by itself."""
