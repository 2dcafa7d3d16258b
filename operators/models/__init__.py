"""The car's own detector family: what a model file is, how it is read, trained and judged. Importing this is light."""
