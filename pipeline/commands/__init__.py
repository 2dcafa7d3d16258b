"""What the commands do. Each module is imported only when its command is given."""
