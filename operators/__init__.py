"""What runs on the car: one package per stage, joined by the messages in `operators.messages`."""
