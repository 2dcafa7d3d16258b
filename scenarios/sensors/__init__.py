"""How the embedded world answers sensors other than cameras: light, radar waves, satellites. Import modules by name."""
