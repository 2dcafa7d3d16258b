"""Policies that write deadlines: how long the pipeline may take in the present situation."""
