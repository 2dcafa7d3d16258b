"""One street with its road users: geometry, dynamics, pictures and ground truth. Import the module you need."""
